"""SELinux and AppArmor."""

from __future__ import annotations
