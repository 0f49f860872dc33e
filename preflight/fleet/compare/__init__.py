"""Cards side by side: pure functions of a Deck, under the ids of the checks that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from preflight.checks.registry import Judgement
from preflight.fleet.card import Deck
from preflight.fleet.compare import agree, cards, clock, members, ranges, unique, versions
from preflight.fleet.identifiers import IDENTIFIERS

Comparison = Callable[[Deck], Iterable[Judgement]]
# The order of the report.
COMPARISONS: dict[str, Comparison] = {
    "cards-usable": cards.usable,
    **{item.id: unique.comparison(item) for item in IDENTIFIERS},
    "version-skew": versions.skew,
    **{item.id: agree.comparison(item) for item in agree.AGREEMENTS},
    "clocks-agree": clock.agree,
    "pod-cidrs-disjoint": ranges.disjoint,
    "etcd-members-odd": members.odd,
    "roles-complete": members.complete,
}
