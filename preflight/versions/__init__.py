"""What each Kubernetes version asks of a node, as data: one file per subject. Pure."""
