"""Which build this is; the build writes the hash of everything that the archive holds."""

from __future__ import annotations

ID = ""
