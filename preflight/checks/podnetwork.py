"""The pod network on this node: configuration, plugins, leftovers."""

from __future__ import annotations
