"""The container runtime and its CRI."""

from __future__ import annotations
