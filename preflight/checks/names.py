"""Name servers and proxies."""

from __future__ import annotations
