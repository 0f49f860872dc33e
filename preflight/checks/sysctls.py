"""Forwarding and bridge filtering."""

from __future__ import annotations
