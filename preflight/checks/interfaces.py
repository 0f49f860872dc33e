"""Interfaces and their addresses."""

from __future__ import annotations
