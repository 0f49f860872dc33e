"""Pings of pods that nodeprep's own firewall drops: by the policy, and no fault of the network."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import replace

from preflight.cni.probing import Answer, Probe
from rules.cluster import IPAddress
from rules.errors import CommandError, ConfigError
from rules.netns import inside
from rules.packet import ICMP, ICMPV6, Packet
from rules.run import run
from rules.tracing.live import local_addresses, read_live, routes
from rules.tracing.trace import Tracer

_TIMEOUT_S = 20.0
_ECHO = {4: (ICMP, 8), 6: (ICMPV6, 128)}
_ANSWERED = {"REACHABLE", "STALE", "DELAY", "PROBE"}


def without_own_drops(probes: Sequence[Probe], answers: dict[str, Answer]) -> dict[str, Answer]:
    """The answers, in which a ping of the node counts as answered where only its rules said no.

    ``enforce`` lets pods ping no node. So a gateway that does not answer is there all the same if
    it answers for its MAC address, and a rule of nodeprep's own is what drops the ping.
    """
    found = dict(answers)
    for probe in probes:
        answer = answers[probe.name]
        if "pod-to-gateway" not in probe.name or answer.ok:
            continue
        try:
            dropped = _is_neighbour(probe) and _drops(probe)
        except (CommandError, ConfigError, OSError):
            # Then it stays a ping that was not answered.
            continue
        if dropped:
            found[probe.name] = replace(
                answer, ok=True, why="is there, and nodeprep's own rules let no pod ping it"
            )
    return found


def _is_neighbour(probe: Probe) -> bool:
    """Whether the target has told the pod its MAC address."""
    with inside(probe.namespace):
        done = run(["ip", "-j", "neigh", "show", str(probe.target)], timeout_s=_TIMEOUT_S)
    entries = json.loads(done.stdout or "[]")
    return any(_ANSWERED.intersection(entry.get("state", ())) for entry in entries)


def _drops(probe: Probe) -> bool:
    """Whether a rule of nodeprep's decides that the ping does not come in."""
    protocol, kind = _ECHO[probe.target.version]
    packet = Packet(
        family=probe.target.version,
        protocol=protocol,
        source=_source(probe),
        destination=probe.target,
        icmp_type=kind,
        icmp_code=0,
    )
    found = Tracer(read_live()).trace(
        packet, local_addresses=local_addresses(), hook="input", routes=routes()
    )
    by = found.decided_by
    if found.admitted is not False or by is None:
        return False
    return by.table == "nodeprep" or by.chain.startswith("NODEPREP-") or "nodeprep" in by.comment


def _source(probe: Probe) -> IPAddress:
    """The address by which the pod asks."""
    from ipaddress import ip_address

    kind = socket.AF_INET if probe.target.version == 4 else socket.AF_INET6
    with inside(probe.namespace), socket.socket(kind, socket.SOCK_DGRAM) as asking:
        asking.connect((str(probe.target), 9))
        return ip_address(asking.getsockname()[0])
