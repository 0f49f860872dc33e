"""Pod, service and node ranges."""

from __future__ import annotations
