"""The pod network by CNI: what its configuration says, who reads it, what is wrong with it."""
