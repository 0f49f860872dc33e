"""Swap: off, or tolerated."""

from __future__ import annotations
