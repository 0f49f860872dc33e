"""What statements do to a packet, and how ways come together again. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rules.ruleset import FULL_MASK, Element, Nat, Range, SetMark, Verdict
from rules.tracing.flow import Flow, Open
from rules.tracing.keys import read


def translated(part: Nat, addresses: Range | None, ports: Range | None, flow: Flow) -> Flow:
    """The packet after DNAT or REDIRECT to one of these addresses and ports."""
    other = flow.copy()
    why = "which of its addresses or ports NAT takes is not known"
    if part.kind == "redirect":
        other.address = _redirected(flow, why)
        other.redirected = True
    elif addresses is not None:
        other.address = addresses[0] if addresses[0] == addresses[1] else Open((addresses,), why)
    if ports is not None:
        other.port = ports[0] if ports[0] == ports[1] else Open((ports,), why)
    # The kernel marks the connection only where something changed.
    other.natted = (other.address, other.port) != (flow.address, flow.port) or flow.natted
    return other


def _redirected(flow: Flow, why: str) -> int | Open:
    """An address of the interface: the only one this host has, else an open one."""
    if flow.sent_here:
        return 0x7F000001 if flow.packet.family == 4 else 1
    local = flow.place.local
    if flow.place.known and len(local) == 1:
        return next(iter(local))
    width = 32 if flow.packet.family == 4 else 128
    return Open(((0, (1 << width) - 1),), why)


def chosen(element: Element, ports: Range | None) -> tuple[Range | None, Range | None]:
    """The address and the ports that an element of a NAT map stands for."""
    address = element.data[0]
    if len(element.data) > 1:
        ports = (element.data[1], element.data[1])
    return (address, address), ports


def with_mark(part: SetMark, flow: Flow, doubt: str) -> Flow:
    """The packet with its own or its connection's mark changed."""
    other = flow.copy()
    name = "mark" if part.target == "meta mark" else "ct_mark"
    if name == "ct_mark" and not flow.has_connection:
        return flow
    old = getattr(flow, name)
    source = 0 if part.source is None else read(flow, part.source)
    if source is None:
        # CONNMARK does nothing without a connection; nft's rule ended at a test before this.
        return flow
    if part.unknown:
        new: int | Open = Open(((0, FULL_MASK),), doubt)
    elif isinstance(source, int) and isinstance(old, int):
        new = ((old & part.keep) ^ (source & part.source_mask) ^ part.xor) & FULL_MASK
    elif isinstance(source, int) and part.keep == 0:
        new = (source & part.source_mask) ^ part.xor
    else:
        reason = next((value.reason for value in (old, source) if isinstance(value, Open)), "")
        new = Open(((0, FULL_MASK),), reason)
    setattr(other, name, new)
    return other


def different_verdicts(elements: Iterable[Element]) -> list[Verdict]:
    """The verdicts of elements of a map, each once."""
    found: dict[tuple[str, str], Verdict] = {}
    for element in elements:
        if element.verdict is not None:
            found.setdefault((element.verdict.action.value, element.verdict.chain), element.verdict)
    return list(found.values())


def merged(flows: list[Flow]) -> list[Flow]:
    """Ways on which the packet is the same as one way, with the doubts of all."""
    by_state: dict[tuple[object, ...], Flow] = {}
    for flow in flows:
        first = by_state.setdefault(flow.state_key, flow)
        if first is flow:
            continue
        if not flow.doubts <= first.doubts or flow.region is not None:
            joined = first.copy()
            joined.doubts = first.doubts | flow.doubts
            if first.region is not None and flow.region is not None:
                joined.region = first.region | flow.region
            by_state[flow.state_key] = joined
    return list(by_state.values())
