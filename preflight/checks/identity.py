"""Names and identifiers: is this machine itself, and only itself?."""

from __future__ import annotations
