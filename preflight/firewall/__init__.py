"""The firewall part, as commands and fixes ask for it: its policy and its request."""
