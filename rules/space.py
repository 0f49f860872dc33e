"""Packet space: exact sets of (family, protocol, source address, destination port).

A ``Space`` is canonical by construction, so equality of sets is equality of values. Protocols
without ports use port 0; ICMP uses its type (0-255) as the port.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network, summarize_address_range
from operator import and_, or_

from rules.cluster import IPAddress, IPNetwork
from rules.intervals import Interval, Intervals, combine, count, normal
from rules.record import record

# The last address of a family and the last port or ICMP type of a protocol.
LAST_ADDRESS = {4: 2**32 - 1, 6: 2**128 - 1}
LAST_PROTOCOL = 255
# Above this many boxes the cut by port is not tried: it costs seconds and large sets come from
# address lists, which the cut by source fits.
FLIP_LIMIT = 2000
_PORTED = {6, 17, 33, 132, 136}  # tcp, udp, dccp, sctp, udplite
_ICMP = {1, 58}


def last_port(protocol: int) -> int:
    """The greatest value of the port dimension for an IP protocol number."""
    return 65535 if protocol in _PORTED else 255 if protocol in _ICMP else 0


@record
class Box:
    """All packets of one family and protocol from a source range to a port range (inclusive)."""

    family: int
    protocol: int
    sources: Interval
    ports: Interval

    @classmethod
    def of(cls, network: IPNetwork, protocol: int, ports: Interval | None = None) -> Box:
        """From a network; ``ports`` None is every port (or the only value there is)."""
        first = int(network.network_address)
        return cls(
            network.version,
            protocol,
            (first, first + network.num_addresses - 1),
            ports or (0, last_port(protocol)),
        )

    @property
    def networks(self) -> tuple[IPNetwork, ...]:
        """The source range as the fewest networks."""
        first, last = (_address(self.family, value) for value in self.sources)
        found: tuple[IPNetwork, ...] = tuple(summarize_address_range(first, last))
        return found


@record
class Packet:
    """One point of the space."""

    family: int
    protocol: int
    source: IPAddress
    port: int


# A source range with the ports open to it; a plane is its sorted slabs, no two of which touch
# with equal ports.
Slab = tuple[int, int, Intervals]
Plane = tuple[Slab, ...]
Key = tuple[int, int]


@record
class Space:
    """A set of packets. Build it with ``Space.of``; combine with ``| & - ==``."""

    planes: tuple[tuple[Key, Plane], ...] = ()

    @classmethod
    def of(cls, boxes: Iterable[Box]) -> Space:
        """The union of boxes, which may overlap."""
        by_ports: dict[Key, dict[Interval, list[Interval]]] = {}
        for box in boxes:
            _validate(box)
            key = (box.family, box.protocol)
            by_ports.setdefault(key, {}).setdefault(box.ports, []).append(box.sources)
        planes = {
            key: _union(
                [
                    tuple((first, last, (ports,)) for first, last in normal(sources))
                    for ports, sources in groups.items()
                ]
            )
            for key, groups in by_ports.items()
        }
        return _space(planes)

    @classmethod
    def of_ranges(
        cls, sources: Mapping[int, Intervals], protocol: int, ports: Interval | None = None
    ) -> Space:
        """From what ``ranges`` makes of networks, as ``Box.of`` says it of one of them."""
        wanted = (ports or (0, last_port(protocol)),)
        for family, intervals in sources.items():
            if intervals:
                edges = (intervals[0][0], intervals[-1][1])
                _validate(Box(family, protocol, edges, wanted[0]))
        return _space(
            {
                (family, protocol): tuple((first, last, wanted) for first, last in intervals)
                for family, intervals in sources.items()
            }
        )

    def __or__(self, other: Space) -> Space:
        return self._combined(other, or_)

    def __and__(self, other: Space) -> Space:
        return self._combined(other, and_)

    def __sub__(self, other: Space) -> Space:
        return self._combined(other, lambda left, right: left and not right)

    def __bool__(self) -> bool:
        return bool(self.planes)

    def __le__(self, other: Space) -> bool:
        """Whether every packet of this one is in the other."""
        return not self - other

    def __contains__(self, packet: Packet) -> bool:
        plane = dict(self.planes).get((packet.family, packet.protocol), ())
        source = int(packet.source)
        return any(
            first <= source <= last and any(low <= packet.port <= high for low, high in ports)
            for first, last, ports in plane
        )

    def _combined(self, other: Space, keep: Callable[[bool, bool], bool]) -> Space:
        left, right = dict(self.planes), dict(other.planes)
        # Spaces of every protocol hold the same few planes many times.
        memo: dict[tuple[int, int], Plane] = {}
        found: dict[Key, Plane] = {}
        for key in {**left, **right}:
            mine, theirs = left.get(key, ()), right.get(key, ())
            pair = (id(mine), id(theirs))
            if pair not in memo:
                memo[pair] = _sweep(mine, theirs, keep)
            found[key] = memo[pair]
        return _space(found)

    def size(self) -> int:
        """How many packets are in it."""
        return sum(
            (last - first + 1) * count(ports)
            for _, plane in self.planes
            for first, last, ports in plane
        )

    def witness(self) -> Packet | None:
        """Some packet that is in it, None where there is none."""
        for (family, protocol), plane in self.planes:
            first, _, ports = plane[0]
            return Packet(family, protocol, _address(family, first), ports[0][0])
        return None

    def boxes(self) -> tuple[Box, ...]:
        """Disjoint boxes whose union it is: the fewer of those cut by source and by port.

        Above ``FLIP_LIMIT`` boxes: those cut by source.
        """
        found: list[Box] = []
        for (family, protocol), plane in self.planes:
            rectangles = _rectangles(plane)
            if len(rectangles) <= FLIP_LIMIT:
                flipped = _rectangles(_flip(plane))
                by_port = [(sources, ports) for ports, sources in flipped]
                rectangles = min(rectangles, by_port, key=len)
            found += [Box(family, protocol, sources, ports) for sources, ports in rectangles]
        return tuple(found)


EMPTY = Space()


def extent(network: IPNetwork) -> Interval:
    """A network's first and last address."""
    first = int(network.network_address)
    return first, first | (1 << (network.max_prefixlen - network.prefixlen)) - 1


def ranges(networks: Iterable[IPNetwork]) -> dict[int, Intervals]:
    """Family -> the addresses of some networks, canonical."""
    found: dict[int, list[Interval]] = {}
    for network in networks:
        found.setdefault(network.version, []).append(extent(network))
    return {family: normal(listed) for family, listed in found.items()}


def everything(family: int) -> Space:
    """All packets of a family: every protocol, source and port."""
    network = ip_network("0.0.0.0/0" if family == 4 else "::/0")
    return Space.of(Box.of(network, protocol) for protocol in range(LAST_PROTOCOL + 1))


def _address(family: int, value: int) -> IPAddress:
    # An explicit length, since small IPv6 values look like IPv4 ones.
    return ip_address(value.to_bytes(4 if family == 4 else 16, "big"))


def _validate(box: Box) -> None:
    limits = (
        (box.sources, LAST_ADDRESS.get(box.family, -1)),
        (box.ports, last_port(box.protocol)),
    )
    for (first, last), greatest in limits:
        if not 0 <= first <= last <= greatest:
            raise ValueError(f"{box} is outside the packet space")
    if not 0 <= box.protocol <= LAST_PROTOCOL:
        raise ValueError(f"{box.protocol} is not an IP protocol number")


def _space(planes: dict[Key, Plane]) -> Space:
    return Space(tuple(sorted((key, plane) for key, plane in planes.items() if plane)))


def _union(planes: list[Plane]) -> Plane:
    """In pairs, so that n planes cost n log n and not n squared."""
    while len(planes) > 1:
        pairs = zip(planes[::2], planes[1::2], strict=False)
        rest = planes[-1:] if len(planes) % 2 else []
        planes = [_sweep(left, right, or_) for left, right in pairs] + rest
    return planes[0] if planes else ()


def _sweep(left: Plane, right: Plane, keep: Callable[[bool, bool], bool]) -> Plane:
    """Both planes cut at each other's ends, their ports combined, equal neighbours merged."""
    if not right:
        return left if keep(True, False) else ()
    if not left:
        return right if keep(False, True) else ()
    if left is right:
        return left if keep(True, True) else ()
    memo: dict[tuple[Intervals, Intervals], Intervals] = {}
    found: list[Slab] = []
    for first, last, pair in _cuts(left, right):
        if pair not in memo:
            memo[pair] = combine(*pair, keep)
        ports = memo[pair]
        if not ports:
            continue
        if found and found[-1][1] + 1 == first and found[-1][2] == ports:
            found[-1] = (found[-1][0], last, ports)
        else:
            found.append((first, last, ports))
    return tuple(found)


def _cuts(left: Plane, right: Plane) -> Iterator[tuple[int, int, tuple[Intervals, Intervals]]]:
    """Source ranges over which neither plane changes, with the ports of each.

    Both are walked side by side; a slab is cut where the other plane begins or ends one.
    """
    end = LAST_ADDRESS[6] + 1
    nothing: Slab = (end, end, ())
    mine, theirs = iter((*left, nothing)), iter((*right, nothing))
    first, last, ports = next(mine)
    other_first, other_last, other_ports = next(theirs)
    while first < end or other_first < end:
        if first < other_first:
            until = min(last, other_first - 1)
            yield first, until, (ports, ())
            first = until + 1
        elif other_first < first:
            until = min(other_last, first - 1)
            yield other_first, until, ((), other_ports)
            other_first = until + 1
        else:
            until = min(last, other_last)
            yield first, until, (ports, other_ports)
            first = other_first = until + 1
        if first > last:
            first, last, ports = next(mine)
        if other_first > other_last:
            other_first, other_last, other_ports = next(theirs)


def _rectangles(plane: Plane) -> list[tuple[Interval, Interval]]:
    """(source range, port range) pairs; a port range runs on through touching slabs."""
    found: list[tuple[Interval, Interval]] = []
    running: dict[Interval, int] = {}
    end = -2
    for first, last, ports in plane:
        if first != end + 1:
            found += [((began, end), interval) for interval, began in running.items()]
            running = {}
        ended = [interval for interval in running if interval not in ports]
        found += [((running.pop(interval), end), interval) for interval in ended]
        for interval in ports:
            running.setdefault(interval, first)
        end = last
    return found + [((began, end), interval) for interval, began in running.items()]


def _flip(plane: Plane) -> Plane:
    """The same region with ports as the outer dimension."""
    return _union(
        [((low, high, ((first, last),)),) for first, last, ports in plane for low, high in ports]
    )
