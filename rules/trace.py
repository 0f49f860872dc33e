"""Which rule decides about a packet: a ruleset's hooks and chains, in the kernel's order. Pure."""

from __future__ import annotations

from collections.abc import Collection

from rules.cluster import IPAddress
from rules.packet import Packet
from rules.record import record
from rules.ruleset import Ruleset


@record
class Step:
    """A rule (or a chain's policy) that the packet met.

    ``rule`` is its text, or ``policy accept``/``policy drop`` with ``is_policy``. ``handle`` is
    nft's, ``number`` the rule's place in its chain from 1.
    """

    backend: str
    family: str
    table: str
    chain: str
    hook: str
    rule: str
    handle: int | None = None
    number: int | None = None
    comment: str = ""
    is_policy: bool = False


@record
class Trace:
    """``verdict``: accept, drop, reject or unknown.

    ``decided_by``: the rule or policy; None where no chain is on the way. ``path``: the rules that
    matched, in order. ``unknown``: what could not be told and made the verdict unknown.
    ``outcomes``: every verdict that is possible. ``hook``: input or forward (or output).
    ``destination`` and ``destination_port`` as they are after DNAT, None where they are open.
    """

    packet: Packet
    verdict: str
    decided_by: Step | None
    path: tuple[Step, ...]
    unknown: tuple[str, ...]
    outcomes: tuple[str, ...]
    hook: str
    destination: IPAddress | None
    destination_port: int | None

    @property
    def admitted(self) -> bool | None:
        """Whether it is let through; None where that cannot be told."""
        if self.outcomes == ("accept",):
            return True
        return None if "accept" in self.outcomes else False


def trace(
    ruleset: Ruleset,
    packet: Packet,
    *,
    local_addresses: Collection[IPAddress] = (),
    hook: str = "",
    reverse_path: bool | None = None,
) -> Trace:
    """Follows one packet through all hooks of its way.

    ``local_addresses`` are this host's own (loopback is always one): after DNAT they tell INPUT
    from FORWARD. Without any, the packet's destination counts as local. ``hook`` ``input``,
    ``forward`` or ``output`` decides it beforehand. ``reverse_path``: whether the route to the
    source leaves by ``interface_in``; None: yes where the packet names no interface, else unknown.
    """
    raise NotImplementedError
