"""When a run began and how long it has taken, as reports say it."""

from __future__ import annotations

import time


class Stopwatch:
    """Runs from when it is made. ``started``: then, in UTC, such as 2026-11-25T21:04:59Z."""

    def __init__(self) -> None:
        self.started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._began = time.perf_counter()

    @property
    def ms(self) -> float:
        """Milliseconds since then."""
        return (time.perf_counter() - self._began) * 1000
