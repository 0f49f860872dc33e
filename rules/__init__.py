"""nodeprep's lower package: the port matrix, the policy, and what both packages need."""
