"""Who may send to a group, as clouds see senders. Pure values."""

from __future__ import annotations

from enum import Enum

from rules.cluster import IPNetwork
from rules.record import record


class Kind(str, Enum):
    """``role``: whoever carries the group of a role. ``network``: addresses.

    ``named``: something of the cloud's own that was there before: a foreign security group, a
    prefix list, a service tag.
    """

    ROLE = "role"
    NETWORK = "network"
    NAMED = "named"

    # That of Enum is written in Python, and long lists of rules hash it often.
    __hash__ = str.__hash__

    def __str__(self) -> str:
        return self.value


@record
class Peer:
    """One sender. ``network`` for addresses, else ``name``.

    ``weight``: how many rules a quota takes it for (an AWS prefix list counts its most entries).
    """

    kind: Kind
    name: str = ""
    network: IPNetwork | None = None
    weight: int = 1

    @property
    def family(self) -> int:
        """4 or 6 for addresses, 0 for what may have addresses of both families."""
        return 0 if self.network is None else self.network.version

    @property
    def anywhere(self) -> bool:
        """Whether every address of the family is meant."""
        return self.network is not None and self.network.prefixlen == 0

    @property
    def key(self) -> str:
        """What a reach calls it; empty for addresses, which are told apart by themselves."""
        return "" if self.network is not None else f"{self.kind.value}:{self.name}"

    @property
    def order(self) -> tuple[object, ...]:
        """Roles first, then named ones, then networks by their address."""
        network = self.network
        if network is None:
            return (0 if self.kind is Kind.ROLE else 1, self.name)
        return (2, network.version, int(network.network_address), network.prefixlen)

    def __str__(self) -> str:
        return self.name if self.network is None else str(self.network)


def role_peer(role: str) -> Peer:
    """The members of a role's group."""
    return Peer(Kind.ROLE, role)


def network_peer(network: IPNetwork) -> Peer:
    """Addresses."""
    return Peer(Kind.NETWORK, "", network, 1)


def named_peer(name: str, weight: int = 1) -> Peer:
    """Something of the cloud's own, by its id or name."""
    return Peer(Kind.NAMED, name, weight=weight)
