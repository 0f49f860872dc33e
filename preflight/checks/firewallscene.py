"""What the checks of packet filters ask: this host's rules, addresses and routes, as one scene."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from preflight.facts.model import Facts, Unknown, known, known_or
from preflight.facts.model.firewall import RulesetText
from preflight.facts.model.known import Undetermined
from preflight.facts.model.network import IPInterface, Route
from rules.cluster import IPAddress, IPNetwork
from rules.errors import ConfigError

if TYPE_CHECKING:
    from rules.packet import Packet
    from rules.tracing.trace import Trace, Tracer
    from rules.tracing.walk import Step


class Scene:
    """The node that packets meet. Raises Undetermined where its rules are not known."""

    def __init__(self, facts: Facts) -> None:
        texts = known(known(facts.firewall).rulesets)
        self.empty = not texts
        self._texts = texts
        network = known(facts.network)
        self._addresses = [
            (item.name, address.interface)
            for item in known(network.interfaces)
            for address in item.addresses
            if not item.loopback
        ]
        self._routes = [
            route
            for route in known_or(network.routes, ())
            if route.table == "main" and route.type == "unicast"
        ]

    @property
    def local(self) -> list[IPInterface]:
        """All its addresses but loopback, with their prefixes."""
        return [interface for _, interface in self._addresses]

    def own(self, families: Iterable[int]) -> list[IPAddress]:
        """The addresses at which others reach the node, those towards the default route first."""
        return [interface.ip for interface in self._outward(families)]

    def networks(self, families: Iterable[int]) -> tuple[IPNetwork, ...]:
        """The networks beside the node: of the addresses towards the default route, else of all."""
        found = self._outward(families)
        near = [interface for interface in found if self._is_outward(interface)]
        return tuple(dict.fromkeys(interface.network for interface in near or found))

    def _outward(self, families: Iterable[int]) -> list[IPInterface]:
        wanted = set(families)
        found = [
            interface
            for _, interface in self._addresses
            if interface.version in wanted
            and not (interface.ip.is_link_local or interface.ip.is_loopback)
        ]
        return sorted(found, key=lambda interface: not self._is_outward(interface))

    def _is_outward(self, interface: IPInterface) -> bool:
        links = {
            route.interface
            for route in self._routes
            if route.destination.prefixlen == 0 and route.destination.version == interface.version
        }
        return any(name in links for name, other in self._addresses if other == interface)

    def trace(self, packet: Packet, hook: str) -> Trace:
        """What becomes of a packet."""
        return _tracer(self._texts).trace(
            packet, local_addresses=self.local, hook=hook, routes=self._route
        )

    def _route(self, address: IPAddress) -> str | None:
        """The interface that leads to an address: the longest prefix, then the lowest metric."""
        fitting = [route for route in self._routes if _leads(route, address)]
        best = max(
            fitting, key=lambda route: (route.destination.prefixlen, -route.metric), default=None
        )
        return None if best is None else best.interface


def _leads(route: Route, address: IPAddress) -> bool:
    return route.destination.version == address.version and address in route.destination


@lru_cache(maxsize=2)
def _tracer(texts: tuple[RulesetText, ...]) -> Tracer:
    """Two checks ask about the same rules; large ones take a third of a second to read."""
    # Only where rules act: these modules take 8 ms to load.
    from rules.parse.joined import join_texts
    from rules.tracing.trace import Tracer

    try:
        return Tracer(join_texts((text.tool, text.tool, text.text) for text in texts))
    except ConfigError as error:
        raise Undetermined(Unknown("failed", f"the rules cannot be understood: {error}")) from error


def where(step: Step | None) -> str:
    """A rule as a person finds it."""
    if step is None:
        return "no rule"
    place = f"chain {step.chain} of table {step.family} {step.table} ({step.backend})"
    if step.is_policy:
        return f"the {step.rule} of {place}"
    number = f"handle {step.handle}" if step.handle is not None else f"rule {step.number}"
    return f"{number} in {place}: {step.rule[:160]}"
