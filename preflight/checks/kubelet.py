"""The kubelet: installed, of the right version, enabled."""

from __future__ import annotations
