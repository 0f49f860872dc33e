"""One run of `nodeprep check`: configuration, facts, checks, report, exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from preflight.runs.judging import node_of, phase_of, selection_of, target_of
from rules.cluster import Role
from rules.errors import UsageError
from rules.record import record

if TYPE_CHECKING:
    from preflight.facts.model import Facts
    from preflight.target import Target


@record
class Request:
    """The flags of `nodeprep check` as given."""

    role: Role
    phase: str
    ignore: str
    skip: str
    strict: bool
    deep: bool
    offline: bool
    facts: str
    card_dir: str
    peers: tuple[str, ...]
    key: str
    config: str
    kubeadm_config: str
    kubernetes_version: str
    cni: str
    output: str
    quiet: bool
    verbose: bool


def run_check(request: Request) -> int:
    """Runs it and prints the report to stdout; the exit code of the verdict."""
    from preflight import config
    from preflight.checks.registry import registry
    from preflight.engine import run_checks
    from preflight.facts.collect import collect
    from preflight.facts.host import Host
    from preflight.facts.store import load
    from preflight.report.model import CheckReport
    from preflight.runs.printed import print_report
    from preflight.runs.stopwatch import Stopwatch
    from preflight.target import Phase

    watch = Stopwatch()
    phase = phase_of(request.phase)
    settings = config.load_flags(request)
    if request.facts:
        facts = load(request.facts)
    else:
        if request.deep and sys.stderr.isatty():
            print("nodeprep: measuring the disk, at most 10 s", file=sys.stderr)
        host = Host(offline=request.offline, deep=request.deep, probe_ports=phase is Phase.BEFORE)
        facts = collect(host, settings)
    target = target_of(request.role, phase, facts, settings, request)
    if request.card_dir:
        target = _among_cards(request.card_dir, facts, target)
    if request.peers:
        target = _probed(request, target)
    selection = selection_of(settings, request.ignore, request.skip, deep=request.deep)
    findings = run_checks(facts, target, registry().values(), selection)
    report = CheckReport(
        node=node_of(settings, facts),
        target=target,
        started=watch.started,
        duration_ms=watch.ms,
        findings=tuple(findings),
        strict=request.strict,
    )
    return print_report(report, request.output, quiet=request.quiet, verbose=request.verbose)


def _among_cards(place: str, facts: Facts, target: Target) -> Target:
    """The target with the cards of a directory, and with this node's own card made now."""
    from dataclasses import replace

    from preflight.fleet.card import Filed
    from preflight.fleet.deck import build
    from preflight.fleet.makecard import make_card
    from preflight.fleet.readcards import read_cards

    filed, misfits = read_cards([place])
    own = make_card(facts, target, role=target.role.value)
    # An earlier card of this node is one of the same boot: the one made now replaces it.
    others = [
        item for item in filed if item.card.boot_id != own.boot_id or item.card.node != own.node
    ]
    deck = build([*others, Filed(own, "this node", None)], misfits, cluster=own.cluster)
    label = next((item.label for item in deck.cards if item.card is own), own.node)
    return replace(target, deck=deck, label=label)


def _probed(request: Request, target: Target) -> Target:
    """The target with what probes of the peers met."""
    from dataclasses import replace

    from preflight.runs.probe import find_peers, probe

    if request.offline or request.facts:
        raise UsageError("--peer sends packets from this machine; --offline and --facts do not")
    words = () if "all" in request.peers else request.peers
    peers = find_peers(words, target.settings)
    found = probe(target.role, peers, target.settings, target.version, key=request.key)
    return replace(target, reaches=tuple(found))
