"""Programs that the node's components call."""

from __future__ import annotations
