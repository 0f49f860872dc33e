"""What an earlier cluster left."""

from __future__ import annotations
