"""What all tests need of the process that runs them."""

from __future__ import annotations

import signal

from hypothesis import settings

# How long one example takes says something of the machine; growth has tests of its own.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_configure() -> None:
    """Tests that interrupt a program need it to hear that: a shell's background job ignores SIGINT,
    and so do the programs that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
