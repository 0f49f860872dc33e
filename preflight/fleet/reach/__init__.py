"""Who reaches whom: a listener on a role's real ports, and probes that only it can answer."""
