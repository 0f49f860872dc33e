"""Pings of pods that nodeprep's own firewall drops: by the policy, and no fault of the network."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from preflight.cni import probing
from preflight.cni.probing import Answer, Listener, Probe
from rules.cluster import IPAddress
from rules.errors import CommandError, ConfigError
from rules.netns import inside
from rules.packet import ICMP, ICMPV6, Packet
from rules.run import run

_TIMEOUT_S = 20.0
_ECHO = {4: (ICMP, 8), 6: (ICMPV6, 128)}
_ANSWERED = {"REACHABLE", "STALE", "DELAY", "PROBE"}


def ask(probes: Sequence[Probe], listeners: Iterable[Listener] = ()) -> dict[str, Answer]:
    """As ``probing.ask``; but a ping of the node counts as answered where only its rules said no.

    ``enforce`` lets pods ping no node. So a gateway that does not answer is there all the same if
    it answers for its MAC address, and a rule of nodeprep's own is what drops the ping. That is
    looked at early, and only one that is not excused so is waited for.
    """
    answers = probing.ask(probes, listeners, brief=_is_to_gateway)
    silent = [probe for probe in probes if _is_to_gateway(probe) and not answers[probe.name].ok]
    answers |= _excused(silent, answers)
    if again := [probe for probe in silent if not answers[probe.name].ok]:
        answers |= probing.ask(again)
        answers |= _excused(again, answers)
    return answers


def _is_to_gateway(probe: Probe) -> bool:
    return "pod-to-gateway" in probe.name


def _excused(probes: Iterable[Probe], answers: Mapping[str, Answer]) -> dict[str, Answer]:
    """Those of our own rules, answered."""
    found = {}
    for probe in probes:
        answer = answers[probe.name]
        try:
            dropped = not answer.ok and _is_neighbour(probe) and _drops(probe)
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
    # Imported here: only for a gateway that says nothing.
    from rules.tracing.live import local_addresses, read_live, routes
    from rules.tracing.trace import Tracer

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
