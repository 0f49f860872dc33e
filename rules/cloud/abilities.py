"""What a cloud's rules can say, and what becomes of what they cannot. Pure.

Nothing is widened in silence: a flow that would let in more than the policy is an error that names
it and the cloud, until a person allows it by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rules.cloud.peer import Kind, role_peer
from rules.cloud.plan import NODES_TO_PODS, PODS_TO_PODS, CloudPlan
from rules.cloud.reach import Reach
from rules.cloud.refusal import refusal
from rules.cloud.rule import Grant, Place, what
from rules.errors import UsageError
from rules.record import record
from rules.words import hint


@record
class Abilities:
    """The words of one cloud.

    ``title`` names it in errors. ``protocols``: the numbers that a rule can name, None for any.
    ``ported``: those whose ports it can limit. ``icmp_types``: whether it tells ICMP types apart.
    ``destinations``: whether a rule can be limited to the addresses of pods. ``family_references``:
    whether a reference to a group can be limited to one family. ``refused``: (family, protocol) ->
    why no rule of any width carries it. ``everything``: whether a rule can be of every protocol.
    ``references``: whether a rule can name a group. ``carried``: (role, others): machines of the
    others carry the group of the role too.
    """

    title: str
    ported: frozenset[int]
    protocols: frozenset[int] | None = None
    icmp_types: bool = True
    destinations: bool = False
    family_references: bool = False
    refused: tuple[tuple[tuple[int, int], str], ...] = ()
    everything: bool = True
    references: bool = True
    carried: tuple[tuple[str, tuple[str, ...]], ...] = ()


@record
class Widening:
    """A flow that lets in more than the policy asks, as a person allowed. ``why``: in what way."""

    flow: str
    why: str
    extra: Reach


def lower(
    plan: CloudPlan, abilities: Abilities, allowed: Collection[str] = ()
) -> tuple[tuple[Grant, ...], tuple[Widening, ...]]:
    """The grants as this cloud can say them, and what they let in beyond the plan.

    ``allowed``: ids of flows that may be widened. Raises UsageError that names every flow that
    cannot be said exactly and is not among them, and every one that cannot be said at all.
    """
    unsayable = _unsayable(plan, abilities)
    lowered: list[Grant] = []
    changed: dict[str, dict[str, list[Grant]]] = {}
    for grant in plan.grants:
        if grant.flow in unsayable:
            continue
        for made, why in _carried(grant, plan, abilities):
            lowered.append(made)
            if why:
                changed.setdefault(grant.flow, {}).setdefault(why, []).append(made)
    widenings = [
        Widening(flow, "; ".join(reasons), extra)
        for flow, reasons in changed.items()
        if (extra := _beyond([one for made in reasons.values() for one in made], plan))
    ]
    refused = {item.flow: item.why for item in widenings if item.flow not in allowed}
    if unsayable or refused:
        said = refusal(abilities.title, unsayable, refused)
        strays = sorted(set(allowed) - {grant.flow for grant in plan.grants})
        if strays:
            said += f"; no flow of these roles is called {strays[0]!r}{hint(strays[0], refused)}"
        raise UsageError(said)
    return tuple(lowered), tuple(widenings)


def _beyond(made: list[Grant], plan: CloudPlan) -> Reach:
    """What some grants let in and the plan does not; of the plan, what could hold any of it."""
    kinds = {(one.receiver, one.family, one.protocol) for one in made}
    to_pods = any(one.place is Place.PODS for one in made)
    near: list[Grant] = []
    for grant in plan.grants:
        # What goes to pods is no part of what goes to a node.
        if grant.place is Place.PODS and not to_pods:
            continue
        for receiver, family, number in kinds:
            if (grant.receiver, grant.family) == (receiver, family):
                if grant.protocol == number or number is None:
                    near.append(grant)
                elif grant.protocol is None:
                    near.append(grant.but(protocol=number))
    return Reach.of_grants(made) - Reach.of_grants(near)


def _unsayable(plan: CloudPlan, abilities: Abilities) -> dict[str, str]:
    """Flow -> why no rule of any width carries it."""
    reasons = dict(abilities.refused)
    found: dict[str, str] = {}
    for grant in plan.grants:
        number = grant.protocol
        if number is not None and (why := reasons.get((grant.family, number))):
            found[grant.flow] = f"{what(number, None)}, IPv{grant.family}: {why}"
        elif not abilities.everything and not _has_word(number, abilities):
            found[grant.flow] = f"{what(number, None)}: a rule has no word for it"
        if grant.peers and not abilities.references:
            raise UsageError(
                f"{abilities.title} name no groups, only addresses: add --by-address, and name the "
                "nodes in the cluster file or by --source GROUP=CIDR, such as their subnets"
            )
    return found


def _has_word(number: int | None, abilities: Abilities) -> bool:
    return number is not None and (abilities.protocols is None or number in abilities.protocols)


def _lowered(grant: Grant, plan: CloudPlan, abilities: Abilities) -> Iterator[tuple[Grant, str]]:
    """The grants that stand for one, each with what makes it wider (empty: nothing does)."""
    number, ports, place = grant.protocol, grant.ports, grant.place
    whys: list[str] = []
    if number is not None:
        said = what(number, ports)
        if abilities.protocols is not None and number not in abilities.protocols:
            number, ports = None, None
        elif (ports is not None and number in (1, 58) and not abilities.icmp_types) or (
            ports is not None and number not in (1, 58) and number not in abilities.ported
        ):
            ports = None
        if (number, ports) != (grant.protocol, grant.ports):
            whys.append(f"{said} becomes {what(number, ports)}")
    if place is Place.PODS and not abilities.destinations:
        place = Place.NODE
        subject = what(number, ports)
        whys.append(f"{subject} to pods becomes {subject} to pods and their nodes")
    made = grant.but(protocol=number, ports=ports, place=place)
    yield made, "; ".join(whys)
    others = [family for family in plan.families if family != grant.family]
    if grant.peers and others and not abilities.family_references:
        # ICMP and ICMPv6 are each of one family, whatever a rule says.
        if number in (1, 58):
            return
        why = f"{what(number, ports)} over IPv{grant.family} becomes IPv4 and IPv6"
        for family in others:
            yield made.but(family=family, networks=()), "; ".join([*whys, why])


def _carried(grant: Grant, plan: CloudPlan, abilities: Abilities) -> Iterator[tuple[Grant, str]]:
    """What ``_lowered`` gives, for and from every machine that carries the groups."""
    also = {
        role: tuple(other for other in others if other in plan.members)
        for role, others in abilities.carried
    }
    more = {
        role_peer(other): f"from {peer} becomes from {peer} and {other}"
        for peer in grant.peers
        if peer.kind is Kind.ROLE
        for other in also.get(peer.name, ())
        if role_peer(other) not in grant.peers
    }
    for made, why in _lowered(grant, plan, abilities):
        subject = what(made.protocol, made.ports)
        yield made, why
        wider = made
        if more:
            wider = made.but(peers=(*made.peers, *more))
            yield wider.but(networks=()), f"{subject} {', '.join(more.values())}"
        for other in also.get(grant.receiver, ()):
            reason = f"{subject} to {grant.receiver} becomes to {grant.receiver} and {other}"
            yield wider.but(receiver=other), reason


__all__ = ["NODES_TO_PODS", "PODS_TO_PODS", "Abilities", "Widening", "lower"]
