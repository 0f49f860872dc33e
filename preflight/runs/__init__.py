"""One module for each command: what a run of it does, between its flags and its exit code."""
