"""Default routes and the reverse-path filter."""

from __future__ import annotations
