"""Whether the nodes make up a cluster: its roles, and the members of its etcd."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from preflight.checks.registry import Judgement, failed, passed, skipped, undetermined, warned
from preflight.fleet.card import Deck, Filed
from preflight.fleet.compare.words import labels_of, named
from rules.cluster import Role

# Which cards-usable says, with the reason of each.
NO_CARD = "no card can be compared"


def _roles(deck: Deck) -> dict[str, list[Filed]]:
    found: dict[str, list[Filed]] = defaultdict(list)
    for item in deck.cards:
        found[item.card.role].append(item)
    return found


def _external(deck: Deck) -> bool:
    return any(item.card.external_etcd or item.card.role == Role.ETCD.value for item in deck.cards)


def odd(deck: Deck) -> Iterator[Judgement]:
    """Shape: one judgement on the number of etcd members among the cards."""
    roles = _roles(deck)
    members = roles[Role.ETCD.value]
    if not _external(deck):
        members = [*roles[Role.MASTER.value], *roles[Role.MULTI_MASTER.value]]
    count = len(members)
    if not members:
        yield skipped("no card is of an etcd member" if deck.cards else NO_CARD)
    elif count % 2:
        lost = (count - 1) // 2
        yield passed(f"{count} etcd member{'s' if count > 1 else ''}: {lost} may be lost")
    else:
        yield failed(
            f"{count} etcd members ({named(labels_of(members))}) stand the loss of "
            f"{count // 2 - 1}, as {count - 1} would",
            observed=str(count),
            expected="an odd number",
            remedy="take one away or add one",
            nodes=labels_of(members),
        )


def complete(deck: Deck) -> Iterator[Judgement]:
    """Shape: one judgement for each role that is missing or too many, or one that all are there."""
    if not deck.cards:
        yield skipped(NO_CARD)
        return
    roles = _roles(deck)
    broken = [
        *_control_plane(roles[""], roles[Role.MASTER.value], roles[Role.MULTI_MASTER.value]),
        *_others(deck, roles),
    ]
    if broken:
        yield from broken
        return
    counts = [f"{len(items)} {role}" for role, items in sorted(roles.items()) if items]
    yield passed(f"the roles make up a cluster: {', '.join(counts)}")


def _control_plane(
    nameless: list[Filed], masters: list[Filed], several: list[Filed]
) -> Iterator[Judgement]:
    if nameless:
        yield undetermined(
            f"what {named(labels_of(nameless))} is to be is not on the card",
            subject="unknown",
            remedy="name it when the card is made: nodeprep facts --card --role ROLE",
            nodes=labels_of(nameless),
        )
    elif not masters and not several:
        yield failed(
            "no card is of a master or multi-master: there is no control plane",
            subject="control plane",
            observed="none",
            expected="a master, or several of role multi-master",
            remedy="add the control plane's cards, or make them with: nodeprep facts --card "
            "--role master",
        )
    if masters and len(masters) + len(several) > 1:
        yield failed(
            f"{named(labels_of(masters))} is to be the only control plane, and "
            f"{named(labels_of([*masters[1:], *several]))} another",
            subject="control plane",
            observed=f"{len(masters)} master, {len(several)} multi-master",
            expected="one master, or several of role multi-master",
            remedy="make these cards again with --role multi-master",
            nodes=labels_of([*masters, *several]),
        )
    if len(several) == 1 and not masters:
        yield warned(
            f"{several[0].label} is to be one of several masters, and no other is among the cards",
            subject="control plane",
            remedy="add the other masters' cards, or make this one with --role master",
            nodes=labels_of(several),
        )


def _others(deck: Deck, roles: dict[str, list[Filed]]) -> Iterator[Judgement]:
    """Who is missing beside the control plane."""
    if not roles[""] and not roles[Role.WORKER.value]:
        yield warned(
            "no card is of a worker: pods would run only on control planes, and these take none "
            "by default",
            subject="workers",
            remedy="add the workers' cards",
        )
    if not roles[Role.ETCD.value] and any(item.card.external_etcd for item in deck.cards):
        yield warned(
            "the etcd is external, and no card is of one of its members",
            subject="etcd",
            remedy="add the cards of the etcd members: nodeprep facts --card --role etcd",
        )
