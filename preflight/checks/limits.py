"""Conntrack, inotify and open files."""

from __future__ import annotations
