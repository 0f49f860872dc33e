"""What the machine is: `parse_*` (pure text -> model) and `collect` (all the I/O of a check run)."""
