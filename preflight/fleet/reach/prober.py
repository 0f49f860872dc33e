"""Probes: what one port of one peer answers, small and full-size, within bounded tries."""

from __future__ import annotations

from collections.abc import Callable

from preflight.fleet.reach import datagrams, streams
from preflight.fleet.reach.model import Errand, Raw
from preflight.fleet.reach.talk import Talk

_ETHERNET_MTU = 1500


class Prober:
    """One run: a key, a session, and a counter over all its probes."""

    def __init__(self, key: bytes, link_mtu: Callable[[str], int]) -> None:
        self._talk = Talk(key, link_mtu)

    def run(self, errand: Errand) -> Raw:
        """Everything about one errand; never raises for what a network may do."""
        probe = streams.probe if errand.protocol == "tcp" else datagrams.probe
        return probe(self._talk, errand)

    def ask(self, raw: Raw) -> bytes | None:
        """The inventory of a peer, as JSON, over a port that answered; None where it fails."""
        ask = streams.ask if raw.errand.protocol == "tcp" else datagrams.ask
        return ask(self._talk, raw)


def link_mtu(own: str) -> int:
    """The MTU of the link that has an address of this host; Ethernet's where that is not told."""
    import psutil

    for name, found in psutil.net_if_addrs().items():
        for one in found:
            if one.address.partition("%")[0] == own.partition("%")[0]:
                return int(psutil.net_if_stats()[name].mtu)
    return _ETHERNET_MTU
