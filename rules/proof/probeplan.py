"""Which probes a proof sends: from which addresses, to which, with which keys. Pure.

Two things tell packets apart: the policy and the text of the rules. The keys and addresses at the
ends of every range that either of them names are always among the probes, with their neighbours.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterable, Iterator
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_network

from rules.access import group_networks
from rules.cluster import IPAddress, IPNetwork
from rules.errors import UsageError
from rules.flows import Group
from rules.packet import ICMP, ICMPV6, SCTP, TCP, UDP
from rules.policy import Policy
from rules.proof.expected import LAST_KEY, Expected, keys_of
from rules.proof.way import Kind, Layout, Way
from rules.record import record

# Reproducible: the same policy and text give the same probes.
SEED = 3
MANY, FEW, VERY_FEW = 5000, 100, 8
# MANY ports are dealt out among so many senders, each of whom sends the ends of all ranges too.
HANDS = 4
# Edges of source ranges that are probed in each family; more are sampled.
MOST_EDGES = 400
# Ranges inside the pods' own that the rules name, and that are probed as destinations.
MOST_DESTINATIONS = 50
OUTSIDE = "outside"
# IPv6's extension headers that carry another protocol (hop-by-hop, routing, fragment, options):
# no packet has them as its protocol.
_CARRIERS = frozenset({0, 43, 44, 60})
_PORTED = (Kind.TCP, Kind.UDP, Kind.SCTP)
# Benchmarking ranges (RFC 2544, RFC 5180): no cluster lives there.
_OWN_RANGES = {4: ip_network("198.18.0.0/15"), 6: ip_network("2001:2::/48")}


class Depth(str, Enum):
    """How many ports of TCP and UDP are sent from each group; else the ends and a sample of them.

    ``every``: all, to the node, to a pod, and to an address that is translated to a pod (a
    NodePort). ``input``: all to the node. ``ends``: nowhere all.
    """

    EVERY = "every"
    INPUT = "input"
    ENDS = "ends"

    def sample(self, way: Way) -> int | None:
        """How many beside the ends; None: all there are."""
        whole = {
            Depth.EVERY: {Way.INPUT, Way.FORWARD, Way.FORWARD_DNAT},
            Depth.INPUT: {Way.INPUT},
            Depth.ENDS: set[Way](),
        }
        if way in whole[self]:
            return None
        return MANY if way is Way.INPUT else FEW

    def __str__(self) -> str:
        return self.value


@record
class Sender:
    """An address that probes come from, and the groups that it stands for."""

    groups: tuple[str, ...]
    address: IPAddress

    @property
    def name(self) -> str:
        """``masters, etcd-members``."""
        return ", ".join(self.groups)


@record
class Probes:
    """Everything that is sent in one family.

    ``senders`` send the ``keys`` of each way, in turn the first hand, the second and so on, or
    ``few_keys`` where their ports tell nothing;
    ``edges`` send ``edge_keys``. ``destinations`` are at the edges of the pods' ranges.
    ``sampled_edges``: whether there were too many edges.
    """

    layout: Layout
    senders: tuple[Sender, ...]
    edges: tuple[IPAddress, ...]
    destinations: tuple[IPAddress, ...]
    keys: dict[Way, tuple[dict[Kind, tuple[int, ...]], ...]]
    few_keys: dict[Kind, tuple[int, ...]]
    edge_keys: dict[Kind, tuple[int, ...]]
    sampled_edges: bool

    def keys_of(self, way: Way, number: int) -> dict[Kind, tuple[int, ...]]:
        """What the sender with this number sends on a way."""
        hands = self.keys[way]
        return hands[number % len(hands)]


def make_probes(
    policy: Policy, expected: Expected, family: int, texts: Iterable[str], depth: Depth
) -> Probes:
    """The probes of one family. ``texts`` are the rules as they are loaded.

    Raises UsageError where the policy's ranges leave no address outside of them.
    """
    chance = random.Random(SEED)  # noqa: S311 - no secret
    written = tuple(texts)
    named = _named_networks(written, family) | {n for n in expected.networks if n.version == family}
    grouped = _group_ranges(policy, family)
    narrow = [*named, *(n for networks in grouped.values() for n in networks if n.prefixlen)]
    layout = _layout(policy, expected, family, narrow)
    taken = {layout.node, layout.pod, *layout.ways.values()}
    senders = _senders(grouped, family, narrow, taken, chance)
    edges = _edges(named, taken | {sender.address for sender in senders})
    too_many = len(edges) > MOST_EDGES
    keys = _Keys(family, expected, _numbers(written), chance)
    by_sample = {
        sample: keys.hands(sample)
        for sample in sorted({FEW, *(depth.sample(way) for way in layout.ways)}, key=str)
    }
    return Probes(
        layout=layout,
        senders=senders,
        edges=tuple(sorted(chance.sample(edges, MOST_EDGES), key=int) if too_many else edges),
        destinations=_destinations(expected.pods.get(family, ()), named, taken),
        keys={way: by_sample[depth.sample(way)] for way in layout.ways},
        few_keys=by_sample[FEW][0],
        edge_keys={kind: keys.at_edges(kind) for kind in Kind},
        sampled_edges=too_many,
    )


def _group_ranges(policy: Policy, family: int) -> dict[str, list[IPNetwork]]:
    found = {}
    for group in Group:
        if group not in (Group.SELF, Group.ANYWHERE):
            networks = [n for n in group_networks(group, policy.cluster) if n.version == family]
            if networks:
                found[group.value] = networks
    return found


def _senders(
    grouped: dict[str, list[IPNetwork]],
    family: int,
    narrow: list[IPNetwork],
    taken: set[IPAddress],
    chance: random.Random,
) -> tuple[Sender, ...]:
    """One for each group, those with the same address together, and one of no group."""
    found: dict[IPAddress, list[str]] = {}
    for name, networks in grouped.items():
        inside = next((a for n in networks for a in _inside(n) if a not in taken), None)
        if inside is not None:
            found.setdefault(inside, []).append(name)
    found.setdefault(_stranger(family, narrow, taken, chance), []).insert(0, OUTSIDE)
    return tuple(Sender(tuple(names), address) for address, names in found.items())


def _inside(network: IPNetwork) -> Iterator[IPAddress]:
    """Some of its addresses, from the middle first, that can be a packet's source."""
    size = network.num_addresses
    for offset in dict.fromkeys((size // 2, size // 2 + 1, size // 3, 1, 0)):
        if offset < size:
            address = network[offset]
            if _can_send(address):
                yield address


def _stranger(
    family: int, narrow: list[IPNetwork], taken: set[IPAddress], chance: random.Random
) -> IPAddress:
    made = IPv4Address if family == 4 else IPv6Address
    start = int(made("11.0.0.0" if family == 4 else "2a00::"))
    for _ in range(10_000):
        address = made(start + chance.getrandbits(28 if family == 4 else 64))
        if address not in taken and not any(address in network for network in narrow):
            return address
    raise UsageError(f"the ranges of this cluster leave no IPv{family} address outside of them")


def _can_send(address: IPAddress) -> bool:
    """Whether the kernel takes a packet from it at all."""
    if address.is_multicast or address.is_unspecified or address.is_loopback:
        return False
    if isinstance(address, IPv4Address):
        return int(address) >> 24 != 0 and int(address) != 2**32 - 1
    return address.ipv4_mapped is None


def _edges(networks: Iterable[IPNetwork], but: set[IPAddress]) -> tuple[IPAddress, ...]:
    """The first and last address of each, and their neighbours."""
    found: set[IPAddress] = set()
    for network in networks:
        first, last = int(network.network_address), int(network.broadcast_address)
        made = type(network.network_address)
        for number in {first - 1, first, last, last + 1}:
            if 0 <= number < 1 << network.max_prefixlen:
                address = made(number)
                if address not in but and _can_send(address):
                    found.add(address)
    return tuple(sorted(found, key=int))


def _destinations(
    pods: Collection[IPNetwork], named: Iterable[IPNetwork], taken: set[IPAddress]
) -> tuple[IPAddress, ...]:
    """The edges of the pods' ranges, and what the rules name inside of them."""
    inside = [
        network
        for network in named
        if network not in pods and any(_holds(whole, network) for whole in pods)
    ]
    return _edges([*pods, *sorted(inside, key=str)[:MOST_DESTINATIONS]], taken)


def _holds(whole: IPNetwork, part: IPNetwork) -> bool:
    return part.network_address in whole and part.broadcast_address in whole


_ADDRESS = {
    4: re.compile(r"(?<![\w.:])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?![\w.:])"),
    6: re.compile(r"(?<![\w.:])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?:/\d{1,3})?(?![\w.:])"),
}


def _named_networks(texts: Iterable[str], family: int) -> set[IPNetwork]:
    """Every address and range that the rules name, wherever they do."""
    found: set[IPNetwork] = set()
    for text in texts:
        for word in set(_ADDRESS[family].findall(text)):
            try:
                network = ip_network(word, strict=False)
            except ValueError:
                continue
            if network.prefixlen:
                found.add(network)
    return found


def _numbers(texts: Iterable[str]) -> frozenset[int]:
    """Every number that the rules name and that may be a port, a type or a protocol."""
    words: set[str] = set()
    for text in texts:
        for pattern in _ADDRESS.values():
            text = pattern.sub(" ", text)
        words.update(re.findall(r"(?<![\w.])\d{1,5}(?![\w.])", text))
    return frozenset(number for number in map(int, words) if number <= LAST_KEY)


class _Keys:
    """The keys of one family's probes."""

    def __init__(
        self, family: int, expected: Expected, numbers: frozenset[int], chance: random.Random
    ) -> None:
        self._family, self._expected = family, expected
        self._numbers, self._chance = numbers, chance

    def hands(self, sample: int | None) -> tuple[dict[Kind, tuple[int, ...]], ...]:
        """What senders send in turn: all ports (``sample`` None), or the ends and so many others.

        All protocols and ICMP types, with one code or sixteen. SCTP is never sent whole: its
        checksum costs time, and one row of the matrix has it.
        """
        count = HANDS if sample == MANY else 1
        drawn = {kind: self._draw(kind, sample) for kind in _PORTED}
        return tuple(
            {
                kind: self._hand(kind, sample, drawn[kind][hand::count])
                if kind in _PORTED
                else self._unported(kind, 16 if sample is None else 1)
                for kind in Kind
            }
            for hand in range(count)
        )

    def _draw(self, kind: Kind, sample: int | None) -> list[int]:
        """Random ports."""
        if kind is not Kind.SCTP and sample is None:
            return []
        extra = FEW if kind is Kind.SCTP or sample is None else sample
        return self._chance.sample(range(LAST_KEY + 1), extra)

    def _hand(self, kind: Kind, sample: int | None, drawn: list[int]) -> tuple[int, ...]:
        if kind is not Kind.SCTP and sample is None:
            return tuple(range(LAST_KEY + 1))
        ends = _beside({0, LAST_KEY, *self._numbers, *self._ends(kind)})
        return tuple(sorted(ends.union(drawn)))

    def _unported(self, kind: Kind, codes: int) -> tuple[int, ...]:
        if kind is Kind.ICMP:
            return tuple(type_ << 8 | code for type_ in range(256) for code in range(codes))
        return _protocols(range(256), self._family)

    def at_edges(self, kind: Kind) -> tuple[int, ...]:
        """The ends of what the policy names, the ports that the rules name, and very few more."""
        ends = self._ends(kind)
        if kind is Kind.PROTOCOL:
            return _protocols(sorted(key for key in _beside(ends) if key < 256), self._family)
        if kind is Kind.ICMP:
            types = {key >> 8 for key in _beside(ends)}
            return tuple(sorted(type_ << 8 for type_ in types))
        few = self._chance.sample(range(LAST_KEY + 1), VERY_FEW)
        return tuple(sorted(_beside(ends).union(few, self._numbers)))

    def _ends(self, kind: Kind) -> set[int]:
        """Of the ranges that the policy admits."""
        found: set[int] = set()
        for one in self._expected.admissions:
            if one.family == self._family:
                number = one.protocol.number
                for ends in keys_of(number, one.ports, one.icmp_types, self._family, kind):
                    found.update(ends)
        return found


def _beside(ends: set[int]) -> set[int]:
    """With their neighbours."""
    return {near for end in ends for near in (end - 1, end, end + 1) if 0 <= near <= LAST_KEY}


def _protocols(numbers: Iterable[int], family: int) -> tuple[int, ...]:
    """Without those that have keys of their own."""
    own = {TCP, UDP, SCTP, ICMP if family == 4 else ICMPV6}
    if family == 6:
        own |= _CARRIERS
    return tuple(number for number in numbers if number not in own)


def _layout(policy: Policy, expected: Expected, family: int, narrow: list[IPNetwork]) -> Layout:
    """Addresses for the node that no rule knows, and a pod's where there are pods."""
    own = _free(family, narrow)
    node, translated, elsewhere, to_node, to_pod = (next(own) for _ in range(5))
    pods = expected.pods.get(family, ())
    ways = {Way.INPUT: node, Way.INPUT_DNAT: to_node, Way.TRANSIT: elsewhere}
    pod = next(own)
    if pods:
        largest = max(pods, key=lambda network: network.num_addresses)
        pod = largest[largest.num_addresses // 4 * 3]
        ways |= {Way.FORWARD: pod, Way.FORWARD_DNAT: to_pod}
    return Layout(family, translated, pod, expected.target_port, ways, expected.asking_port)


def _free(family: int, narrow: list[IPNetwork]) -> Iterator[IPAddress]:
    for network in (_OWN_RANGES[family], ip_network("0.0.0.0/0" if family == 4 else "::/0")):
        for offset in range(network.num_addresses // 3, network.num_addresses // 3 + 10_000):
            address = network[offset]
            if _can_send(address) and not any(address in taken for taken in narrow):
                yield address
    raise UsageError(f"the ranges of this cluster leave no IPv{family} address for a scratch node")
