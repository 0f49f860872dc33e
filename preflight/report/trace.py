"""Traces as text and as JSON values. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from preflight.report.plain import printable

if TYPE_CHECKING:
    from rules.packet import Packet
    from rules.tracing.flowprobes import Probe
    from rules.tracing.trace import Trace
    from rules.tracing.walk import Step

_VERBS = {
    "accept": "let through",
    "drop": "dropped",
    "reject": "rejected",
    "unknown": "cannot be told",
}


def document(trace: Trace) -> dict[str, Any]:
    """The JSON of one trace."""
    return {"schema_version": 1, "kind": "Trace", **_values(trace)}


def all_document(role: str, found: Sequence[tuple[Probe, Trace]]) -> dict[str, Any]:
    """The JSON of `--all`."""
    return {
        "schema_version": 1,
        "kind": "Traces",
        "role": role,
        "traces": [
            {"flow": probe.admission.flow, "component": probe.admission.component, **_values(trace)}
            for probe, trace in found
        ],
    }


def _values(trace: Trace) -> dict[str, Any]:
    destination = trace.destination
    return {
        "packet": _packet(trace.packet),
        "hook": trace.hook,
        "verdict": trace.verdict,
        "outcomes": list(trace.outcomes),
        "decided_by": None if trace.decided_by is None else _step(trace.decided_by),
        "path": [_step(step) for step in trace.path],
        "unknown": list(trace.unknown),
        "destination": None if destination is None else str(destination),
        "destination_port": trace.destination_port,
    }


def _packet(packet: Packet) -> dict[str, Any]:
    original = packet.original_destination
    return {
        "family": packet.family,
        "protocol": packet.protocol,
        "source": str(packet.source),
        "destination": str(packet.destination),
        "source_port": packet.source_port,
        "destination_port": packet.destination_port,
        "icmp_type": packet.icmp_type,
        "interface_in": packet.interface_in,
        "interface_out": packet.interface_out,
        "state": packet.state,
        "original_destination": None if original is None else str(original),
        "original_port": packet.original_port,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "backend": step.backend,
        "family": step.family,
        "table": step.table,
        "chain": step.chain,
        "hook": step.hook,
        "rule": step.rule,
        "handle_or_number": step.number if step.handle is None else step.handle,
        "policy": step.is_policy,
    }


def text(trace: Trace) -> str:
    """What a person reads: the verdict, the rule, the way, and what could not be told."""
    lines = [f"{_packet_text(trace.packet)}: {_VERBS[trace.verdict]}"]
    if trace.decided_by is not None:
        lines.append(f"  by {_step_text(trace.decided_by)}")
    elif trace.verdict == "accept":
        lines.append("  no chain is on its way")
    moved = trace.destination is not None and (
        (trace.destination, trace.destination_port)
        != (trace.packet.destination, trace.packet.destination_port)
    )
    if moved:
        port = "" if trace.destination_port is None else f" port {trace.destination_port}"
        lines.append(f"  sent on to {trace.destination}{port}")
    others = [step for step in trace.path if step != trace.decided_by]
    if others:
        lines.append("  rules that matched before:")
        lines += [f"    {_step_text(step)}" for step in others]
    lines += [f"  not known: {printable(reason)}" for reason in trace.unknown]
    if trace.verdict == "unknown":
        lines.append(f"  possible: {', '.join(trace.outcomes)}")
    return "\n".join(lines) + "\n"


def all_text(found: Sequence[tuple[Probe, Trace]]) -> str:
    """One line for each flow, source and port; a summary last."""
    lines = []
    counts = dict.fromkeys(_VERBS, 0)
    for probe, trace in found:
        counts[trace.verdict] += 1
        by = "no chain" if trace.decided_by is None else _step_text(trace.decided_by)
        if trace.verdict == "unknown":
            by = printable("; ".join(trace.unknown))
        lines.append(
            f"{trace.verdict:8}{probe.admission.flow}: {_packet_text(trace.packet)}"
            f" ({probe.hook}): {by}"
        )
    total = ", ".join(f"{count} {_VERBS[verdict]}" for verdict, count in counts.items() if count)
    return "\n".join([*lines, total or "nothing is to be let in"]) + "\n"


def _packet_text(packet: Packet) -> str:
    from rules.parse.names import PROTOCOLS

    names = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
    numbers = {number: name for name, number in reversed(PROTOCOLS.items())}
    name = names.get(packet.protocol) or numbers.get(packet.protocol) or str(packet.protocol)
    where = str(packet.destination)
    if packet.destination_port is not None:
        where += f" port {packet.destination_port}"
    if packet.original_port is not None:
        where += f" (sent to port {packet.original_port})"
    kind = "" if packet.icmp_type is None else f" type {packet.icmp_type}"
    state = "" if packet.state == "new" else f" {packet.state}"
    return f"{name}{kind}{state} from {packet.source} to {where}"


def _step_text(step: Step) -> str:
    place = f"{step.backend} table {step.family} {step.table}, chain {step.chain}"
    if step.is_policy:
        return f"{place}: {step.rule}"
    number = f"rule {step.number}" if step.handle is None else f"handle {step.handle}"
    return f"{place}, {number}: {printable(step.rule)}"
