"""Short forms of the rows that pod networks add to the matrix."""

from __future__ import annotations

from rules.cluster import Role
from rules.flows import FROM_NODES, FROM_SELF, KUBELETS, Bind, Flow, Group, Protocol
from rules.record import record

BOTH = frozenset({4, 6})
V4 = frozenset({4})
V6 = frozenset({6})
FROM_MONITORING = frozenset({Group.MONITORING})


@record
class Rows:
    """Makes the rows of one product, which share a component and, mostly, a source.

    Ids get the product's name in front. A row goes from nodes to nodes unless ``sources`` and
    ``roles`` say otherwise; one with ``when`` is optional.
    """

    component: str
    source: str

    def port(
        self,
        id: str,
        protocol: Protocol,
        number: int,
        why: str,
        *,
        process: str = "",
        sources: frozenset[Group] = FROM_NODES,
        roles: frozenset[Role] = KUBELETS,
        families: frozenset[int] = BOTH,
        binds: bool = True,
        bind: Bind = Bind.ANY,
        when: str = "",
        source: str = "",
    ) -> Flow:
        """A row of a protocol that has ports."""
        return Flow(
            f"{self.component}-{id}",
            self.component,
            protocol,
            (number, number),
            sources,
            roles,
            why,
            source or self.source,
            process=process,
            binds=binds,
            bind=bind,
            optional=bool(when),
            when=when,
            families=families,
        )

    def tcp(
        self,
        id: str,
        number: int,
        why: str,
        process: str,
        *,
        sources: frozenset[Group] = FROM_NODES,
        roles: frozenset[Role] = KUBELETS,
        binds: bool = True,
        when: str = "",
        source: str = "",
    ) -> Flow:
        """A TCP port that a program listens on."""
        return self.port(
            id,
            Protocol.TCP,
            number,
            why,
            process=process,
            sources=sources,
            roles=roles,
            binds=binds,
            when=when,
            source=source,
        )

    def udp(
        self,
        id: str,
        number: int,
        why: str,
        process: str = "",
        *,
        families: frozenset[int] = BOTH,
        when: str = "",
        source: str = "",
    ) -> Flow:
        """A UDP port; without ``process`` the kernel itself holds it, as tunnels do."""
        return self.port(
            id,
            Protocol.UDP,
            number,
            why,
            process=process,
            families=families,
            when=when,
            source=source,
        )

    def ip(
        self,
        id: str,
        protocol: Protocol,
        why: str,
        *,
        families: frozenset[int] = BOTH,
        when: str = "",
    ) -> Flow:
        """An IP protocol without ports."""
        return Flow(
            f"{self.component}-{id}",
            self.component,
            protocol,
            None,
            FROM_NODES,
            KUBELETS,
            why,
            self.source,
            binds=False,
            optional=bool(when),
            when=when,
            families=families,
        )

    def own(
        self,
        id: str,
        number: int,
        why: str,
        process: str,
        *,
        bind: Bind = Bind.LOOPBACK,
        when: str = "",
    ) -> Flow:
        """A TCP port that only this node's own programs use."""
        return self.port(
            id,
            Protocol.TCP,
            number,
            why,
            process=process,
            sources=FROM_SELF,
            bind=bind,
            when=when,
        )

    def metrics(self, id: str, number: int, process: str, *, when: str) -> Flow:
        """Metrics over plain HTTP, which monitoring may read where it is wanted."""
        return self.tcp(
            id, number, "metrics over plain HTTP", process, sources=FROM_MONITORING, when=when
        )

    def wireguard(self) -> tuple[Flow, Flow]:
        """WireGuard with a device for each family, as Flannel and Calico make them."""
        return (
            self.udp(
                "wireguard-v4", 51820, "WireGuard over IPv4: pod packets, encrypted", families=V4
            ),
            self.udp(
                "wireguard-v6", 51821, "WireGuard over IPv6: pod packets, encrypted", families=V6
            ),
        )

    def ipsec(self, process: str = "charon") -> tuple[Flow, ...]:
        """IPsec whose keys an IKE daemon agrees on."""
        return (
            self.udp("ike", 500, "IKE: agrees on keys", process),
            self.udp("ike-nat", 4500, "IKE and ESP through address translation", process),
            self.ip("esp", Protocol.ESP, "pod packets, encrypted (IP protocol 50, not a port)"),
        )
