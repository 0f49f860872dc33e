"""What all tests need of the process that runs them."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# What their tests wait for: a kernel, a package index, programs of others.
LONG = ("kernel", "install", "outside")

# How long one example takes says something of the machine; growth has tests of its own.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_configure() -> None:
    """Tests that interrupt a program need it to hear that: a shell's background job ignores SIGINT,
    and so do the programs that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side, files with long tests come first, so that no process ends with one alone."""
    if not hasattr(config, "workerinput"):
        return
    first = {item.path for item in items if any(map(item.get_closest_marker, LONG))}
    items.sort(key=lambda item: item.path not in first)
