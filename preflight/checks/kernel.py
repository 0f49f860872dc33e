"""Kernel version, configuration and modules."""

from __future__ import annotations
