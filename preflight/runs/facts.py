"""One run of `nodeprep facts`: the facts, or the card that is made of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from preflight.output import check_format
from rules.cluster import Role
from rules.errors import UsageError
from rules.record import record

if TYPE_CHECKING:
    from preflight.facts.model import Facts
    from preflight.fleet.card import Card
    from preflight.settings import Settings


@record
class Request:
    """The flags of `nodeprep facts` as given."""

    card: bool
    role: Role | None
    output: str
    offline: bool
    deep: bool
    facts: str
    config: str
    kubeadm_config: str
    kubernetes_version: str
    cni: str


def run_facts(request: Request) -> int:
    """Prints the document to stdout; the exit code."""
    from preflight import config as configuration
    from preflight.report.document import render

    check_format(request.output, ("json", "yaml"))
    if not request.card:
        for flag, given in (
            ("--role", request.role),
            ("--facts", request.facts),
            ("--kubernetes-version", request.kubernetes_version),
        ):
            if given:
                raise UsageError(f"{flag} goes with --card; facts are the same for all")
    settings = configuration.load_flags(request)
    sys.stdout.write(render(_document(request, settings), request.output))
    return 0


def _document(request: Request, settings: Settings) -> dict[str, Any]:
    from preflight.facts.collect import collect
    from preflight.facts.host import Host
    from preflight.facts.store import document, load

    if request.card:
        from preflight.fleet import card, makecard

        # A card holds nothing that would have to be bound or asked for.
        host = Host(offline=True, deep=request.deep, probe_ports=False)
        facts = (
            load(request.facts)
            if request.facts
            else collect(host, settings, subjects=makecard.SUBJECTS)
        )
        return card.document(card_of(facts, settings, request.role))
    return document(collect(Host(offline=request.offline, deep=request.deep), settings))


def card_of(facts: Facts, settings: Settings, role: Role | None) -> Card:
    """The card of a node with these facts; without a role, what follows from one is not on it."""
    from preflight.fleet.makecard import make_card
    from preflight.target import Phase, Target, choose_version

    version, source = choose_version(settings, facts)
    target = Target(role or Role.WORKER, Phase.BEFORE, version, settings, source)
    return make_card(facts, target, role=role.value if role else "")
