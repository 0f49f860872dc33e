"""Many nodes: `nodeprep compare` of cards, and the answer of a sampled run, as whole processes."""

from __future__ import annotations

import json
import subprocess
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
        sampled = Path(place) / "run"
        sampled_run(sampled, SIZES[-1])
        answer = [nodeprep, "fleet", "report", str(sampled)]
        rows[f"nodeprep fleet report, {SIZES[-1]} nodes"] = answer
        rows[f"nodeprep fleet report -o html, {SIZES[-1]} nodes"] = [*answer, "-o", "html"]
        samples = side_by_side(list(rows.values()), min(runs, 5))
        broken = Path(place) / "broken"
        sampled_run(broken, SIZES[-1], broken_every=5)
        pages = [
            _page(Path(place), f"{SIZES[-1]} nodes", [*answer, "-o", "html"]),
            _page(
                Path(place),
                f"{SIZES[-1]} nodes, a fifth of them closed",
                [nodeprep, "fleet", "report", str(broken), "-o", "html"],
            ),
        ]
    head = "| page | MiB | elements | first paint ms | slowest search ms |\n" + "| --- " * 5 + "|"
    return "\n".join([table(list(rows), samples), "", head, *pages])


def _page(place: Path, name: str, command: list[str]) -> str:
    """A row about one page in Chromium."""
    from bench.page import measure

    path = place / "page.html"
    with path.open("wb") as stream:
        subprocess.run(command, stdout=stream, check=False)
    # A letter that all have, a few, one, and all of them again.
    seen = measure(path, ["w", "w77", "w7777", ""])
    return (
        f"| `{name}` | {path.stat().st_size / 2**20:.2f} | {seen['elements']} "
        f"| {seen['first-contentful-paint']:.0f} | {max(seen['searches_ms']):.0f} |"
    )


def sampled_run(place: Path, count: int, broken_every: int = 500) -> None:
    """Cards and probe reports: every master and ten others each, some nodes closed to all."""
    from preflight.fleet.sampling import plan
    from tests.fleet.decks import healthy, write
    from tests.fleet.gatherings import reach, report

    cards = healthy(count - 3)
    write(place, cards)
    peers: dict[int, list[int]] = {}
    for sender, peer in plan(range(3), range(3, count), k=10, seed=7).pairs:
        peers.setdefault(sender, []).append(peer)
    for sender, found in peers.items():
        reaches = []
        for peer in found:
            reaches.append(reach(cards[peer], 10250, "tcp"))
            closed = ("filtered", "peer-firewall", "silence") if peer % broken_every == 2 else ()
            reaches.append(reach(cards[peer], 8472, "udp", *closed))
        text = json.dumps(report(cards[sender], reaches), indent=2, sort_keys=True)
        (place / f"probe-{sender:05d}.json").write_text(text)
