"""The command line: parse, call, print, exit. No logic; each command imports its work inside."""
