"""Kubernetes versions, and the minors that the tables of this package know."""

from __future__ import annotations

import re
from typing import NamedTuple

_PATTERN = re.compile(r"v?(\d{1,3})\.(\d{1,4})(?:\.(\d{1,6}))?(?:[-+][0-9A-Za-z.+-]{1,64})?")


class Version(NamedTuple):
    """A Kubernetes version. Compares by number; a minor alone has patch 0."""

    major: int
    minor: int
    patch: int = 0

    @property
    def release(self) -> Version:
        """The minor that this patch belongs to, as ``1.31.0``."""
        return Version(self.major, self.minor)

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}"
        return f"{text}.{self.patch}" if self.patch else text


def parse_version(text: str) -> Version | None:
    """``v1.31.2``, ``1.31``, ``1.32.0-rc.1+k3s1`` -> Version; None for anything else."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        return None
    major, minor, patch = match.groups()
    return Version(int(major), int(minor), int(patch or 0))


# Source: https://kubernetes.io/releases/ as read 2026-11 (1.37.0 of 2026-08-26 is the newest).
OLDEST = Version(1, 24)
NEWEST = Version(1, 37)
