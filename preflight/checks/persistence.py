"""What the next boot forgets."""

from __future__ import annotations
