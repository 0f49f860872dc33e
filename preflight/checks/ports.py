"""Ports: free before, listening after."""

from __future__ import annotations
