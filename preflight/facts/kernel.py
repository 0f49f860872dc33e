"""Kernel: read (parse_* are pure, collect does the I/O)."""

from __future__ import annotations
