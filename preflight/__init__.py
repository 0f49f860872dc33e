"""nodeprep's node side: what a machine is, what must hold, and what to do about it."""

__version__ = "0.1.0"
