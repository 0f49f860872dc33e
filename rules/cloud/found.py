"""What was read of a cloud: groups with their rules, whoever wrote them. Pure.

Every parser of ``rules.parse.cloud`` gives these, from our own artefacts, from other people's, and
from what a cloud's API prints of a live state; ``reach_of`` makes them comparable with a plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rules.cloud.peer import Kind, Peer, role_peer
from rules.cloud.reach import Reach
from rules.cloud.rule import Rule
from rules.record import field, record

# The receiver of rules that hold for every machine of a network.
EVERYBODY = "*"


@record
class FoundGroup:
    """One group as it was read. ``ingress`` rules have ``name`` as their receiver.

    A peer that is another group is a named one, by its name where the text tells it, else by its
    id. ``where``: its place in the text.
    """

    name: str
    id: str = ""
    description: str = ""
    network: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    where: str = ""


def reach_of(
    groups: Iterable[FoundGroup], roles: Mapping[str, str], families: Iterable[int] = (4, 6)
) -> Reach:
    """Who may reach whom on what. ``roles``: name or id of a group -> the role that carries it.

    Groups that are not in ``roles`` are no receivers; as senders they stay what they are. Rules of
    the group ``EVERYBODY`` hold for all roles.
    """
    everybody = sorted(set(roles.values()))
    return Reach.of_rules(
        (
            rule.but(receiver=receiver, peer=_known(rule.peer, roles))
            for group in groups
            for receiver in _receivers(group.name, roles, everybody)
            for rule in group.ingress
        ),
        families,
    )


def _receivers(name: str, roles: Mapping[str, str], everybody: list[str]) -> list[str]:
    if name == EVERYBODY:
        return everybody
    return [roles[name]] if name in roles else []


def _known(peer: Peer, roles: Mapping[str, str]) -> Peer:
    if peer.kind is Kind.NAMED and peer.name in roles:
        return role_peer(roles[peer.name])
    return peer
