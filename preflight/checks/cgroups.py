"""Cgroups: version and controllers."""

from __future__ import annotations
