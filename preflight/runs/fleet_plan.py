"""One run of `nodeprep fleet plan`: cards -> who probes whom."""

from __future__ import annotations

import sys
from typing import Any

from preflight.output import check_format
from rules.errors import EXIT_DONE, UsageError
from rules.record import record


@record
class Request:
    """The flags of `nodeprep fleet plan` as given."""

    places: tuple[str, ...]
    cluster: str
    k: int
    seed: int
    output: str


def run_plan(request: Request) -> int:
    """Prints the plan to stdout. The same cards, k and seed give the same plan anywhere."""
    from preflight.fleet.deck import build
    from preflight.fleet.readcards import read_cards
    from preflight.fleet.sampling import LARGEST_K
    from preflight.report.document import render

    check_format(request.output, ("json", "yaml"))
    if not 1 <= request.k <= LARGEST_K:
        raise UsageError(f"-k takes 1 to {LARGEST_K}, not {request.k}")
    deck = build(*read_cards(request.places), cluster=request.cluster)
    roles = {item.card.node: item.card.role for item in deck.cards}
    sys.stdout.write(render(plan_document(roles, request.k, request.seed), request.output))
    return EXIT_DONE


def plan_document(roles: dict[str, str], k: int, seed: int) -> dict[str, Any]:
    """The JSON contract ``kind: ProbePlan``. ``roles``: node -> its role."""
    from preflight.fleet.sampling import RACK, odds, plan
    from rules.cluster import Role

    # By name and not by file, so that the order of the cards does not count.
    names = sorted(roles)
    planes = (Role.MASTER.value, Role.MULTI_MASTER.value)
    masters = [place for place, name in enumerate(names) if roles[name] in planes]
    others = [place for place, name in enumerate(names) if roles[name] not in planes]
    made = plan(masters, others, k=k, seed=seed)
    peers: dict[str, list[str]] = {name: [] for name in names}
    for sender, peer in made.pairs:
        peers[names[sender]].append(names[peer])
    missed = odds(made, rack_size=RACK)
    return {
        "schema_version": 1,
        "kind": "ProbePlan",
        "k": k,
        "seed": seed,
        "all_pairs": made.k is None,
        "pairs": len(made.pairs),
        "missed": {"pair": missed.pair, "node": missed.node, "rack": missed.rack},
        "rack_size": RACK,
        "peers": {name: sorted(found) for name, found in peers.items()},
    }
