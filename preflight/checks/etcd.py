"""An external etcd."""

from __future__ import annotations
