"""One run of `nodeprep probe`: peers, errands, verdicts, report."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

from rules.cluster import Cluster, Role
from rules.errors import UsageError
from rules.record import record
from rules.version import Version

if TYPE_CHECKING:
    from preflight.fleet.reach.model import Peer, Reach
    from preflight.settings import Settings


@record
class Request:
    """The flags of `nodeprep probe` as given."""

    role: Role
    peers: tuple[str, ...]
    key: str
    card_dir: str
    config: str
    kubeadm_config: str
    kubernetes_version: str
    cni: str
    output: str
    quiet: bool
    verbose: bool


def run_probe(request: Request) -> int:
    """Probes and prints the report to stdout; the exit code of the verdict."""
    from preflight import config as configuration
    from preflight.facts.installed import version_for
    from preflight.report.formats import check_format
    from preflight.report.reach import ProbeReport
    from preflight.runs.printed import print_report
    from preflight.runs.stopwatch import Stopwatch

    check_format(request.output)
    watch = Stopwatch()
    settings = configuration.load_flags(request)
    version, _ = version_for(settings)
    peers = find_peers(request.peers, settings)
    reaches = probe(
        request.role,
        peers,
        settings,
        version,
        key=request.key,
        admits=_admits(request.card_dir),
    )
    from preflight.checks import peers as judge
    from preflight.checks.registry import registry
    from preflight.engine import judged_findings
    from preflight.fleet.reach.plan import unprobed

    rest = sorted(unprobed(request.role, peers, settings.cluster, version))
    findings = judged_findings(
        {
            "peer-reachable": [
                *(judge.judged(reach) for reach in reaches),
                *(judge.not_probed(flow) for flow in rest),
            ],
            "clocks-agree": list(judge.clocks(reaches)),
        },
        registry(),
    )
    report = ProbeReport(
        node=own_name(settings),
        role=request.role,
        started=watch.started,
        duration_ms=watch.ms,
        reaches=tuple(reaches),
        findings=tuple(findings),
        unprobed=tuple(rest),
    )
    return print_report(report, request.output, quiet=request.quiet, verbose=request.verbose)


def probe(
    role: Role,
    peers: Sequence[Peer],
    settings: Settings,
    version: Version,
    *,
    key: str,
    admits: Mapping[tuple[str, str], str] | None = None,
) -> list[Reach]:
    """The verdicts on every errand of ``role`` to the peers. Raises ConfigError without a key."""
    from preflight.fleet.reach.key import read_key
    from preflight.fleet.reach.plan import errands
    from preflight.fleet.reach.run import reach_all

    wanted = errands(role, peers, settings.cluster, version, proxy_disabled=settings.proxy_disabled)

    def show(done: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == len(wanted) else ""
            print(f"\rnodeprep: {done} of {len(wanted)} ports probed", end=end, file=sys.stderr)

    return reach_all(wanted, read_key(key), admits=admits, done=show)[0]


def own_name(settings: Settings) -> str:
    """The node's name: the configured one, else the machine's."""
    import socket

    return (settings.node_name or socket.gethostname()).lower()


def find_peers(words: Iterable[str], settings: Settings) -> tuple[Peer, ...]:
    """The peers that the words name; without words every node of the cluster file but this one.

    Raises UsageError for a name that no node has, a role or address that is none, and where there
    is nobody to probe.
    """
    cluster = settings.cluster
    found = tuple(_peer(word, cluster) for word in words) or _others(settings)
    if not found:
        raise UsageError(
            "no peer is known; name one with --peer ROLE=ADDRESS, or the nodes in the cluster file"
        )
    return found


def _peer(word: str, cluster: Cluster) -> Peer:
    from preflight.fleet.reach.model import Peer

    name, equals, text = word.partition("=")
    if not equals:
        for node in cluster.nodes:
            if node.name == name:
                return Peer(node.name, node.role, node.addresses)
        raise UsageError(
            f"--peer {name[:80]!r}: no node of the cluster file has this name; "
            "give ROLE=ADDRESS for one that is not in it"
        )
    role = Role.named(name)
    if role is None:
        roles = ", ".join(one.value for one in Role)
        raise UsageError(f"--peer {name[:80]!r}: no such role; the roles are {roles}")
    try:
        addresses = tuple(ip_address(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--peer {name}: {str(error)[:120]}") from None
    return Peer(str(addresses[0]), role, addresses)


def _others(settings: Settings) -> tuple[Peer, ...]:
    import psutil

    from preflight.fleet.reach.model import Peer

    own = {
        one.address.partition("%")[0] for found in psutil.net_if_addrs().values() for one in found
    }
    name = own_name(settings)
    return tuple(
        Peer(node.name, node.role, node.addresses)
        for node in settings.cluster.nodes
        if node.name != name and not any(str(address) in own for address in node.addresses)
    )


def _admits(card_dir: str) -> dict[tuple[str, str], str]:
    if not card_dir:
        return {}
    from preflight.fleet.deck import admitted
    from preflight.fleet.readcards import read_cards

    return admitted(read_cards([card_dir])[0])
