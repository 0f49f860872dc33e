"""`nodeprep compare` of many cards: whole processes, cards on disk."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.process import side_by_side, table

SIZES = (10, 1_000, 10_000)


def run(runs: int) -> str:
    # The tests' own synthetic cards: a healthy cluster of any size.
    from tests.fleet.decks import healthy, write

    nodeprep = str(Path(sys.executable).with_name("nodeprep"))
    with tempfile.TemporaryDirectory() as place:
        rows = {}
        for size in SIZES:
            directory = Path(place) / str(size)
            write(directory, healthy(size - 3))
            rows[f"nodeprep compare, {size} cards"] = [nodeprep, "compare", str(directory)]
        samples = side_by_side(list(rows.values()), min(runs, 10))
    return table(list(rows), samples)
