"""What must be the same on every node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

from preflight.checks.registry import Judgement, failed, passed
from preflight.facts.model.known import Known, Unknown
from preflight.fleet.card import Card, Deck, Filed, shown
from preflight.fleet.compare.words import labels_of, named, not_known
from rules.cluster import Role
from rules.record import record

# A report names this many different values; a deck may hold thousands.
VALUES_SHOWN = 5


@record
class Agreement:
    """``values``: what must agree -> its value on a card; None where the card has none of it."""

    id: str
    values: dict[str, Callable[[Card], Known[str | None]]]
    remedy: str


def _kubelets(read: Callable[[Card], Known[str | None]]) -> Callable[[Card], Known[str | None]]:
    """Only of nodes: an external etcd member has no part in it."""
    return lambda card: None if card.role == Role.ETCD.value else read(card)


def _joined(values: tuple[str, ...]) -> str:
    return ",".join(values) or "none"


def _mtu(card: Card) -> Known[str | None]:
    return card.mtu if isinstance(card.mtu, Unknown) else str(card.mtu)


def _runtime(card: Card) -> Known[str | None]:
    """``containerd 2.3``: a patch more or less is no disagreement."""
    if card.runtime is None or isinstance(card.runtime, Unknown):
        return card.runtime
    name, _, version = card.runtime.rpartition(" ")
    return f"{name} {'.'.join(version.removeprefix('v').split('.')[:2])}".strip()


def _zone(card: Card) -> Known[str | None]:
    minutes = card.utc_offset_minutes
    if isinstance(minutes, Unknown):
        return minutes
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


AGREEMENTS = (
    Agreement(
        "cluster-settings-agree",
        {
            "podSubnet": _kubelets(lambda card: _joined(card.pod_subnets)),
            "serviceSubnet": _kubelets(lambda card: _joined(card.service_subnets)),
            "dnsDomain": _kubelets(lambda card: card.dns_domain),
            "controlPlaneEndpoint": _kubelets(lambda card: card.control_plane_endpoint or "none"),
            "proxy mode": _kubelets(lambda card: card.proxy_mode),
            "etcd": lambda card: "external" if card.external_etcd else "stacked",
        },
        "give every node the same cluster file and make the cards again",
    ),
    Agreement(
        "pod-networks-agree",
        {
            "pod network": _kubelets(
                lambda card: f"{card.cni}/{card.cni_mode}" if card.cni_mode else card.cni
            )
        },
        "give every node the same cni in the cluster file, and take the other one away: "
        "see nodeprep explain cni-conf-winner",
    ),
    Agreement(
        "mtus-agree",
        {"MTU": _mtu},
        "give the links of all nodes one MTU: ip link set LINK mtu BYTES, and the same in the "
        "system's network configuration",
    ),
    Agreement(
        "cgroup-drivers-agree",
        {
            "the runtime's cgroup driver": _kubelets(lambda card: card.runtime_cgroup_driver),
            "the kubelet's cgroup driver": _kubelets(lambda card: card.kubelet_cgroup_driver),
        },
        "see nodeprep explain cri-cgroup-driver, on the nodes that differ",
    ),
    Agreement(
        "runtimes-agree",
        {"container runtime": _kubelets(_runtime)},
        "install one runtime in one version on all nodes",
    ),
    Agreement(
        "time-zones-agree",
        {"time zone": _zone},
        "timedatectl set-timezone UTC",
    ),
)


def comparison(agreement: Agreement) -> Callable[[Deck], Iterator[Judgement]]:
    """The comparison of all cards by one agreement."""
    return partial(compare, agreement)


def compare(agreement: Agreement, deck: Deck) -> Iterator[Judgement]:
    """Shape: one judgement for each thing that the nodes do not agree on, else one that they do."""
    if len(deck.cards) < 2:
        return
    same: list[str] = []
    broken = False
    for what, read in agreement.values.items():
        nodes: dict[str, list[Filed]] = defaultdict(list)
        unknown: list[tuple[Filed, str]] = []
        for item in deck.cards:
            value = read(item.card)
            if isinstance(value, Unknown):
                unknown.append((item, value.message))
            elif value is not None:
                nodes[value].append(item)
        if len(nodes) > 1:
            broken = True
            yield _disagreement(agreement, what, nodes)
        elif nodes:
            same.append(f"{what} {shown(next(iter(nodes)))}")
        if unknown:
            broken = True
            yield not_known(what, unknown)
    if same and not broken:
        yield passed(f"the same on all nodes: {', '.join(same)}")


def _disagreement(agreement: Agreement, what: str, nodes: dict[str, list[Filed]]) -> Judgement:
    ordered = sorted(nodes.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    parts = [
        f"{shown(value)} on {named(labels_of(items))}" for value, items in ordered[:VALUES_SHOWN]
    ]
    if len(ordered) > VALUES_SHOWN:
        parts.append(f"{len(ordered) - VALUES_SHOWN} other values")
    most = ordered[0]
    # Where two values have as many nodes nobody can tell which of them is the odd one.
    tied = len(ordered[1][1]) == len(most[1])
    odd = ordered if tied else ordered[1:]
    return failed(
        f"nodes differ in {what}: {'; '.join(parts)}",
        subject=what,
        observed="; ".join(shown(value) for value, _ in odd[:VALUES_SHOWN]),
        expected=shown(most[0]) if not tied else "one value",
        remedy=agreement.remedy,
        nodes=tuple([item.label for _, items in odd for item in items]),
    )
