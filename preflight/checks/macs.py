"""MAC addresses: each card its own, nobody else's."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator

from preflight.checks.cards import twins
from preflight.checks.registry import Judgement, check, failed, passed, undetermined
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.network import Interface, Network
from preflight.facts.model.uplinks import is_port, uplinks
from preflight.target import Target

# RFC 5798, section 7.3: the MAC of a virtual router moves between machines on purpose.
VRRP_PREFIXES = ("00:00:5e:00:01:", "00:00:5e:00:02:")
_ETHERNET = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
# Neighbours that were heard, not entries set by hand or ones that nobody answered.
_HEARD = frozenset({"REACHABLE", "STALE", "DELAY", "PROBE"})
# These take the MAC of what they stand on.
_BORROW = frozenset({"bond", "team", "bridge", "vlan", "failover", "openvswitch"})
_BORROW_ALWAYS = frozenset({"ipvlan", "ipvtap"})


@check(
    "mac-unique",
    title="Every card has a MAC address of its own",
    why="Switches deliver by MAC address, so of two machines or cards with the same one each gets "
    "a part of the packets. Copied virtual machines often share it.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"
    "#verify-mac-address",
    applies="Cards. Bonds, bridges and VLANs share the MAC of a member by design. Other machines "
    "are seen only on the same link; nodeprep compare sees them all.",
)
def mac_unique(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each bad or shared MAC, else one for all cards."""
    yield from twins(target, "mac-unique")
    network = known(facts.network)
    every = known(network.interfaces)
    cards = uplinks(every)
    found = [*_impossible(cards), *_shared(every, cards), *_elsewhere(network, every, cards)]
    yield from found
    if isinstance(network.neighbours, Unknown):
        message = f"whether another machine has the MAC: {network.neighbours.message}"
        yield undetermined(message, subject="neighbours")
    elif not found:
        shown = ", ".join(f"{item.name} {item.mac}" for item in cards if item.mac) or "no card"
        yield passed(f"not seen twice: {shown}", observed=shown)


def _impossible(cards: Iterable[Interface]) -> Iterator[Judgement]:
    for item in cards:
        if not item.up or not _ETHERNET.fullmatch(item.mac):
            continue
        if set(item.mac) == {"0", ":"}:
            fault = "which is no address at all"
        elif int(item.mac[:2], 16) & 1:
            fault = "which is a group address"
        else:
            continue
        yield failed(
            f"{item.name} has the MAC {item.mac}, {fault}",
            subject=item.name,
            observed=item.mac,
            remedy=_new_mac(item),
        )


def _shared(every: Iterable[Interface], cards: Iterable[Interface]) -> Iterator[Judgement]:
    owners: dict[str, list[Interface]] = defaultdict(list)
    for item in cards:
        mac = own_mac(item, every)
        if mac:
            owners[mac].append(item)
    for mac, items in owners.items():
        if len(items) > 1:
            names = ", ".join(item.name for item in items)
            yield failed(
                f"{names} share the MAC {mac}",
                subject=",".join(item.name for item in items),
                observed=mac,
                expected="a MAC of its own for each",
                remedy=_new_mac(items[-1]),
            )


def own_mac(item: Interface, every: Iterable[Interface]) -> str:
    """The MAC that nobody else should have; empty where sharing it is the rule."""
    mac = (item.permanent_mac or item.mac).lower()
    # A bond's member has the bond's MAC, and its own only as the permanent one.
    borrowed = (item.kind in _BORROW or is_port(item, every)) and not item.permanent_mac
    # A VLAN or a switch's port has the MAC of the card that it belongs to.
    if borrowed or item.parent or item.kind in _BORROW_ALWAYS:
        return ""
    impossible = set(mac) <= {"0", ":"}
    return "" if impossible or mac.startswith(VRRP_PREFIXES) else mac


def _elsewhere(
    network: Network, every: tuple[Interface, ...], cards: tuple[Interface, ...]
) -> Iterator[Judgement]:
    own_addresses = {address.ip for item in every for address in item.addresses}
    macs = {item.mac.lower(): item for item in cards if item.mac}
    seen: dict[Interface, str] = {}
    for entry in () if isinstance(network.neighbours, Unknown) else network.neighbours:
        item = macs.get(entry.mac.lower())
        on_card = any(card.name == entry.interface for card in cards)
        if item and on_card and entry.state in _HEARD and entry.address not in own_addresses:
            seen.setdefault(item, f"{entry.address} on {entry.interface} has it too")
    probes = () if isinstance(network.duplicate_probes, Unknown) else network.duplicate_probes
    for probe in probes:
        item = macs.get(probe.owner.lower())
        if item is not None:
            seen[item] = f"another machine answers for {probe.address} with it"
    for item, message in seen.items():
        if not item.mac.lower().startswith(VRRP_PREFIXES):
            yield failed(
                f"{item.name}'s MAC {item.mac} is not its own: {message}",
                subject=item.name,
                observed=item.mac,
                remedy="give this machine a new MAC where its card is defined (the hypervisor, or "
                f"the card's firmware); for now: {_new_mac(item)}",
            )


def _new_mac(item: Interface) -> str:
    # 02: locally administered; the rest of a random number.
    name = shlex.quote(item.name)
    random_mac = "$(od -An -N5 -tx1 /dev/urandom | sed 's/ /:/g; s/^/02/')"
    return f'ip link set {name} address "{random_mac}"'
