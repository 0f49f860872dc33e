"""The clock: synchronised, and from a sane source."""

from __future__ import annotations
