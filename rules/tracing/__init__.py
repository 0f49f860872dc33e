"""Which rule decides about a packet, and which packets a ruleset lets through."""
