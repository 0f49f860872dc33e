"""What the machine is: `parse_*` is pure, `collect` does all the I/O of a check run."""
