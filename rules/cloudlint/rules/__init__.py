"""The linter rules: one file for each cloud, and one for what all of them share. Pure."""
