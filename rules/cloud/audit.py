"""An existing state of a cloud against the policy: what is missing, what is too wide. Pure.

Roles are named by their groups in a plan; where a state names nodes by their addresses instead,
and every node of the role has addresses that are known, that is as good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from ipaddress import ip_network
from operator import or_

from rules.cloud.document import CloudRules
from rules.cloud.found import EVERYBODY, FoundGroup, reach_of
from rules.cloud.peer import Kind, Peer, named_peer, network_peer
from rules.cloud.reach import Reach
from rules.cloud.rule import Grant, Place, Rule, what
from rules.cluster import IPNetwork
from rules.errors import UsageError
from rules.intervals import Intervals, combine
from rules.record import record
from rules.space import EMPTY, LAST_ADDRESS, Box, Space, last_port

# As AWS and as Azure spell it.
ROLE_TAGS = ("nodeprep:role", "nodeprep-role")
# Where a gap has nearly all protocols it is said once for all of them.
_MANY = 100


@record
class Gap:
    """Packets that a state and the policy judge differently, of one receiver and sender.

    ``protocols``: empty for every one but those ``without``. ``ports``: None for all. ``by``: the
    rules that let it in, as their file calls them; for what is missing, the flows that need it.
    """

    role: str
    groups: tuple[str, ...]
    place: Place
    sender: str
    family: int
    protocol: int | None
    ports: tuple[int, int] | None
    without: tuple[int, ...] = ()
    by: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """The packets, as a person writes them."""
        text = what(self.protocol, self.ports)
        if self.without:
            text += f" but {', '.join(what(number, None) for number in self.without)}"
        return text

    def __str__(self) -> str:
        """``10250/tcp from worker to multi-master (IPv4)``."""
        pods = "pods of " if self.place is Place.PODS else ""
        return f"{self.what} from {self.sender} to {pods}{self.role} (IPv{self.family})"


@record
class Audit:
    """``absent``: roles no group of which was found."""

    missing: tuple[Gap, ...]
    too_wide: tuple[Gap, ...]
    groups: tuple[tuple[str, str], ...]
    absent: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the state lets in what the policy does."""
        return not self.missing and not self.too_wide


def audit(
    rules: CloudRules,
    groups: Iterable[FoundGroup],
    own: Mapping[str, str],
    lists: Mapping[str, tuple[IPNetwork, ...]] | None = None,
) -> Audit:
    """What differs. ``own``: name or id of a group -> its role, beside our own names and tags.

    ``lists``: the addresses of prefix lists. Raises UsageError where none of the roles that are
    asked for has a group.
    """
    found = list(groups)
    roles = _roles(rules, found, own)
    receivers = rules.plan.receivers
    named = tuple(
        (group.name, roles[group.name]) for group in found if roles.get(group.name) in receivers
    )
    everybody = any(group.name == EVERYBODY and group.ingress for group in found)
    if not named and not everybody:
        known = ", ".join(group.name for group in found[:8]) or "none at all"
        raise UsageError(
            f"no group there is of {', '.join(receivers)}: name one with --group "
            f"{receivers[0]}=NAME; the groups are {known}"
        )
    opened = [_opened(group, roles, lists or {}) for group in found]
    existing = _of_receivers(reach_of(opened, roles, rules.plan.families), receivers)
    wanted = Reach.of_grants(rules.plan.grants)
    allowed = reduce(or_, (item.extra for item in rules.widenings), wanted)
    members = _members(rules)
    carriers = {role: tuple(n for n, r in named if r == role) for role in receivers}
    missing = [
        gap
        for pair, space in (wanted - existing).spaces
        for gap in _gaps(pair, _not_by_address(pair, space, existing, members), carriers)
    ]
    wide = [
        gap
        for pair, space in (existing - allowed).spaces
        for gap in _gaps(pair, _not_of_members(pair, space, allowed, members), carriers)
    ]
    peers = {rule: roles.get(rule.peer.name, "") for group in opened for rule in group.ingress}
    return Audit(
        tuple(_with(gap, _needed_by(gap, rules.plan.grants)) for gap in missing),
        tuple(_with(gap, _let_in_by(gap, opened, roles, peers)) for gap in wide),
        named,
        tuple(role for role in receivers if not carriers[role] and not everybody),
    )


def _roles(
    rules: CloudRules, groups: list[FoundGroup], own: Mapping[str, str]
) -> dict[str, str]:  # fmt: skip
    """Name and id of each group -> the role that carries it."""
    from rules.cloud import load

    found: dict[str, str] = dict(load(rules.cloud).roles(rules))
    for group in groups:
        role = next((group.tags[tag] for tag in ROLE_TAGS if tag in group.tags), "")
        if role in rules.plan.members:
            found[group.name] = role
    found.update(own)
    for group in groups:
        role = found.get(group.name) or found.get(group.id or group.name, "")
        if role:
            found[group.name] = role
            if group.id:
                found[group.id] = role
    return found


def _opened(
    group: FoundGroup, roles: Mapping[str, str], lists: Mapping[str, tuple[IPNetwork, ...]]
) -> FoundGroup:
    """The group with the addresses of prefix lists in their place, and names for Azure's ids."""
    made: list[Rule] = []
    for rule in group.ingress:
        name = rule.peer.name
        last = name.rpartition("/")[2]
        if rule.peer.kind is Kind.NAMED and name in lists:
            made += [
                rule.but(peer=network_peer(net), families=(net.version,)) for net in lists[name]
            ]
        elif name.startswith("/") and name not in roles and last in roles:
            made.append(rule.but(peer=named_peer(last)))
        else:
            made.append(rule)
    return FoundGroup(**{**vars(group), "ingress": tuple(made)})


def _of_receivers(reach: Reach, receivers: Iterable[str]) -> Reach:
    wanted = set(receivers)
    return Reach(tuple(item for item in reach.spaces if item[0][0] in wanted))


def _members(rules: CloudRules) -> dict[str, list[IPNetwork]]:
    """Key of a role -> the addresses of its nodes, where all of them are known."""
    found: dict[str, list[IPNetwork]] = {}
    for role in rules.plan.members:
        nodes = [node for node in rules.plan.cluster.nodes if node.role.value == role]
        if nodes and all(node.addresses for node in nodes):
            found[f"{Kind.ROLE.value}:{role}"] = [
                ip_network(address) for node in nodes for address in node.addresses
            ]
    return found


def _not_by_address(
    pair: tuple[str, Place, str], space: Space, existing: Reach, members: dict[str, list[IPNetwork]]
) -> Space:
    """What of a role's packets not all of its addresses may send."""
    receiver, place, sender = pair
    if sender not in members:
        return space
    there = existing.of_pair(receiver, "", Place.NODE)
    if place is Place.PODS:
        there = there | existing.of_pair(receiver, "", Place.PODS)
    planes = dict(there.planes)
    boxes: list[Box] = []
    for family, protocol in {key for key, _ in space.planes}:
        ports: Intervals | None = None
        for network in members[sender]:
            if network.version != family:
                continue
            address = int(network.network_address)
            mine: Intervals = next(
                (s[2] for s in planes.get((family, protocol), ()) if s[0] <= address <= s[1]), ()
            )
            ports = mine if ports is None else combine(ports, mine, lambda a, b: a and b)
        boxes += [
            Box(family, protocol, (0, LAST_ADDRESS[family]), interval) for interval in ports or ()
        ]
    return space - Space.of(boxes)


def _not_of_members(
    pair: tuple[str, Place, str], space: Space, allowed: Reach, members: dict[str, list[IPNetwork]]
) -> Space:
    """What of packets by address no role whose node has the address may send."""
    receiver, place, sender = pair
    if sender:
        return space
    mine = allowed.on_addresses(receiver, Place.NODE, members)
    if place is Place.PODS:
        mine = mine | allowed.on_addresses(receiver, Place.PODS, members)
    return space - mine


def _gaps(
    pair: tuple[str, Place, str], space: Space, carriers: Mapping[str, tuple[str, ...]]
) -> Iterator[Gap]:
    """One for each range, nearly all protocols in one."""
    receiver, place, sender = pair
    if space == EMPTY:
        return
    groups = carriers.get(receiver, ())
    whole: dict[tuple[int, tuple[int, int]], set[int]] = {}
    boxes = space.boxes()
    for box in boxes:
        if box.ports == (0, last_port(box.protocol)):
            whole.setdefault((box.family, box.sources), set()).add(box.protocol)
    for (family, sources), protocols in whole.items():
        if len(protocols) > _MANY:
            without = sorted(set(range(256)) - protocols - ({58} if family == 4 else {1}))
            label = _sender(sender, family, sources)
            yield Gap(receiver, groups, place, label, family, None, None, tuple(without))
    for box in boxes:
        protocols = whole.get((box.family, box.sources), set())
        if box.protocol in protocols and len(protocols) > _MANY:
            continue
        all_ports = box.ports == (0, last_port(box.protocol))
        label = _sender(sender, box.family, box.sources)
        ports = None if all_ports else box.ports
        yield Gap(receiver, groups, place, label, box.family, box.protocol, ports)


def _sender(sender: str, family: int, sources: tuple[int, int]) -> str:
    """A role, what the cloud has, a network, or the first and last of some addresses."""
    if sender:
        return sender.partition(":")[2]
    networks = Box(family, 0, sources, (0, 0)).networks
    if len(networks) == 1:
        return str(networks[0])
    return f"{networks[0].network_address}-{networks[-1].broadcast_address}"


def _with(gap: Gap, by: Iterable[str]) -> Gap:
    return Gap(**{**vars(gap), "by": tuple(dict.fromkeys(by))})


def _needed_by(gap: Gap, grants: Iterable[Grant]) -> Iterator[str]:
    for grant in grants:
        if (grant.receiver, grant.family) != (gap.role, gap.family) or grant.place is not gap.place:
            continue
        if not _same_packets(gap, grant.protocol, grant.interval):
            continue
        peers = [str(peer) for peer in grant.peers]
        if gap.sender in peers or any(_touches(gap, network) for network in grant.networks):
            yield grant.flow


def _let_in_by(
    gap: Gap, groups: list[FoundGroup], roles: Mapping[str, str], known: Mapping[Rule, str]
) -> Iterator[str]:
    for group in groups:
        if group.name != EVERYBODY and roles.get(group.name) != gap.role:
            continue
        for rule in group.ingress:
            if gap.family in rule.families and _same_packets(gap, rule.protocol, rule.interval):
                mine = known.get(rule) or rule.peer.name
                if mine == gap.sender or (rule.peer.network and _touches(gap, rule.peer.network)):
                    place = f" ({rule.where})" if rule.where else " (a default rule)"
                    yield f"{_about(rule, group)}{place}"


def _about(rule: Rule, group: FoundGroup) -> str:
    peer: Peer = rule.peer
    return f"{group.name}: {rule.what} from {peer}"


def _same_packets(gap: Gap, protocol: int | None, interval: tuple[int, int]) -> bool:
    if gap.protocol is None or protocol is None:
        return (gap.protocol is None and (protocol is None or protocol not in gap.without)) or (
            protocol is None
        )
    if gap.protocol != protocol:
        return False
    first, last = gap.ports or (0, last_port(gap.protocol))
    return interval[0] <= last and first <= interval[1]


def _touches(gap: Gap, network: IPNetwork) -> bool:
    if network.version != gap.family:
        return False
    first, _, last = gap.sender.partition("-")
    try:
        here = ip_network(first)
        end = ip_network(last or first)
    except ValueError:
        return network.prefixlen == 0  # whoever carries a group has some address
    low, high = int(here.network_address), int(end.broadcast_address)
    return int(network.network_address) <= high and low <= int(network.broadcast_address)
