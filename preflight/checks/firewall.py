"""Packet filters that fight, or that a reboot forgets."""

from __future__ import annotations
