"""A ruleset's packet space against the policy's: what gets in beyond it, what does not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from ipaddress import IPv4Interface, IPv6Interface, ip_network

from rules.cluster import IPAddress
from rules.packet import ICMP, ICMPV6, SCTP, TCP, UDP, Packet
from rules.parse.names import PORT_PROTOCOLS
from rules.policy import Policy
from rules.policyspace import input_space, to_pods_space
from rules.record import record
from rules.render import Posture
from rules.ruleset import Ruleset
from rules.space import EMPTY, LAST_ADDRESS, Box, Space, last_port
from rules.tracing.flow import Routes, connection_state
from rules.tracing.rulesetspace import SOMEBODY, Reach, reach, sample
from rules.tracing.trace import Trace, Tracer

_NAMES = {number: name for name, number in PORT_PROTOCOLS.items()} | {
    ICMP: "icmp",
    ICMPV6: "icmpv6",
}
_EVERYBODY = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
# More differences of one kind than this are counted, not listed.
MOST_SHOWN = 20


@record
class Gap:
    """Packets that the rules and the policy judge differently.

    ``to``: ``node`` or ``pods``. ``trace``: what becomes of one of them.
    """

    to: str
    box: Box
    trace: Trace

    def __str__(self) -> str:
        """``tcp 10250-10251 from 192.0.2.0/24 to the node``."""
        first, last = self.box.ports
        name = _NAMES.get(self.box.protocol, f"protocol {self.box.protocol}")
        word = " type" if self.box.protocol in (ICMP, ICMPV6) else ""
        whole = (first, last) == (0, last_port(self.box.protocol))
        ports = "" if whole else f"{word} {first}" if first == last else f"{word} {first}-{last}"
        return (
            f"{name}{ports} from {self._senders} to {'the node' if self.to == 'node' else 'pods'}"
        )

    @property
    def _senders(self) -> str:
        if self.box.sources == (0, LAST_ADDRESS[self.box.family]):
            return f"anywhere (IPv{self.box.family})"
        networks = self.box.networks
        if len(networks) == 1:
            network = networks[0]
            return str(network.network_address if network.num_addresses == 1 else network)
        return f"{networks[0].network_address}-{networks[-1].broadcast_address}"


@record
class SpaceCheck:
    """``excess``: let in though no flow admits it. ``missing``: needed by a flow and not let in.
    ``unknown``: it cannot be told. Each at most ``MOST_SHOWN``; ``asked``: families and ways."""

    excess: tuple[Gap, ...]
    missing: tuple[Gap, ...]
    unknown: tuple[Gap, ...]
    asked: int


def check_space(
    ruleset: Ruleset,
    policy: Policy,
    posture: Posture,
    *,
    local_addresses: Collection[IPv4Interface | IPv6Interface],
    routes: Routes | None = None,
) -> SpaceCheck:
    """Every source, protocol, port and ICMP type, to the node and to its pods.

    Only under ``enforce`` can there be an ``excess``: ``allow`` leaves the rest to others. Of
    ICMP, types that nobody sends unasked do not count as needed. Of what DNAT sends on, only
    NodePorts can be an ``excess``: Services and host ports are not in the matrix. Families in which
    the host has no address are not asked. Raises UsageError as ``let_through`` does.
    """
    tracer = Tracer(ruleset)
    found: dict[str, list[Gap]] = {"excess": [], "missing": [], "unknown": []}
    asked = 0

    def reached(hook: str, destination: IPAddress) -> Reach:
        return reach(ruleset, hook, destination, local_addresses=local_addresses, routes=routes)

    for to, destination, spaces in _ways(policy, posture, local_addresses, reached):
        asked += 1
        for kind, space in spaces.items():
            for box in space.boxes()[: MOST_SHOWN - len(found[kind])]:
                trace = tracer.trace(
                    _packet(box, destination),
                    local_addresses=local_addresses,
                    hook="" if to == "node" else "forward",
                    reverse_path=True,
                    routes=routes,
                )
                found[kind].append(Gap(to, box, trace))
    return SpaceCheck(**{kind: tuple(gaps) for kind, gaps in found.items()}, asked=asked)


def _ways(
    policy: Policy,
    posture: Posture,
    local_addresses: Collection[IPv4Interface | IPv6Interface],
    reached: Callable[[str, IPAddress], Reach],
) -> Iterator[tuple[str, IPAddress, dict[str, Space]]]:
    """(``node`` or ``pods``, an address of theirs, kind of difference -> its packets)."""
    to_node, to_pods = input_space(policy), to_pods_space(policy)
    enforced = posture is Posture.ENFORCE
    for family in (4, 6):
        own = next((item.ip for item in local_addresses if _is_of(family, item)), None)
        if own is None:
            continue
        node, pods = _of_family(to_node, family), _of_family(to_pods, family)
        taken, passed = reached("input", own), reached("forward", own)
        whole = Reach(taken.certain | passed.certain, taken.possible | passed.possible)
        found = _lacking(node, whole)
        if enforced:
            # What is translated and sent on is ours to limit where a NodePort was asked for.
            ports = _node_ports(policy, family)
            onward = Reach(passed.certain & ports, passed.possible & ports)
            for got, wanted in ((taken, node), (onward, node | pods)):
                _add(found, _exceeding(wanted, got))
        yield "node", own, found
        subnet = next((net for net in policy.cluster.pod_subnets if net.version == family), None)
        if subnet is not None and pods:
            # In the upper part of the range: no bridge and no gateway has that address.
            pod = subnet[subnet.num_addresses // 4 * 3]
            got = reached("forward", pod)
            found = _lacking(pods, got)
            if enforced:
                _add(found, _exceeding(pods, got))
            yield "pods", pod, found


def _is_of(family: int, item: IPv4Interface | IPv6Interface) -> bool:
    address = item.ip
    return item.version == family and not address.is_loopback and not address.is_link_local


def _of_family(space: Space, family: int) -> Space:
    return Space(tuple(item for item in space.planes if item[0][0] == family))


def _node_ports(policy: Policy, family: int) -> Space:
    ports = policy.cluster.ports.node_ports
    return Space.of(Box.of(_EVERYBODY[family], number, ports) for number in (TCP, UDP, SCTP))


def _lacking(wanted: Space, got: Reach) -> dict[str, Space]:
    """Without ICMP that nobody sends unasked: conntrack calls it invalid, and others drop it."""
    telling = wanted - _icmp("invalid")
    missing = telling - got.possible
    return {"missing": missing, "unknown": telling - got.certain - missing}


def _exceeding(wanted: Space, got: Reach) -> dict[str, Space]:
    """Without errors of ICMP: they answer, and answers pass."""
    allowed = wanted | _icmp("related")
    excess = got.certain - allowed
    return {"excess": excess, "unknown": got.possible - allowed - excess}


def _add(found: dict[str, Space], more: dict[str, Space]) -> None:
    for kind, space in more.items():
        found[kind] = found.get(kind, EMPTY) | space


def _icmp(state: str) -> Space:
    """The types of ICMP that conntrack puts into a state, from everybody."""
    return Space.of(
        Box.of(_EVERYBODY[family], protocol, (kind, kind))
        for family, protocol in ((4, ICMP), (6, ICMPV6))
        for kind in range(256)
        if connection_state(sample(SOMEBODY[family], protocol, kind)) == state
    )


def _packet(box: Box, destination: IPAddress) -> Packet:
    """One of a box, and not one from this host itself."""
    first = box.ports[0]
    made = sample(destination, box.protocol, first if box.protocol in (ICMP, ICMPV6) else None)
    ports: dict[str, int] = {}
    if box.protocol in PORT_PROTOCOLS.values():
        ports = {"source_port": 50000, "destination_port": first}
    source = type(destination)(_other(box.sources, int(destination)))
    return Packet(**{**vars(made), **ports, "source": source})


def _other(ends: tuple[int, int], taken: int) -> int:
    first, last = ends
    # Not the network's own address where there is a choice.
    return next(
        (each for each in (first + 1, first + 2, first) if each <= last and each != taken), first
    )
