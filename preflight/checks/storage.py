"""Disks: room, type, options, latency."""

from __future__ import annotations
