"""A whole cluster of eight hosts and its faults: each found, laid at the right layer, and nothing
else is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet.expected import ALL, check, rounds
from tests.fleet.whole import Whole, answer
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
TWINS = ("w2 (card-clone.json)", "w2 (card-w2.json)")


def test_each_fault_of_a_whole_cluster_is_found_and_nothing_else(tmp_path: Path) -> None:
    require_kernel("nft", "ssh-keygen")
    # One by one they take a minute and a half; none and all at once are the quick part.
    chosen = rounds(quick=((), ALL))
    places = Whole(tmp_path).rounds(*chosen)
    for place, faults in zip(places, chosen, strict=True):
        check(answer(place), faults, TWINS)
