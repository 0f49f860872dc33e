"""Kubernetes versions that may run beside each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from preflight.checks.registry import Judgement, failed, passed
from preflight.facts.model.known import Unknown
from preflight.fleet.card import Deck, Filed, shown
from preflight.fleet.compare.words import labels_of, named, not_known
from rules.cluster import Role
from rules.version import Version, parse_version

# https://kubernetes.io/releases/version-skew-policy/: API servers of one cluster are within one
# minor; a kubelet is never newer than they are, and three minors older at most (two before 1.28).
API_SERVER_SKEW = 1
KUBELET_SKEW, KUBELET_SKEW_BEFORE = 3, 2
WIDER_SINCE = Version(1, 28)
_MASTERS = frozenset({Role.MASTER.value, Role.MULTI_MASTER.value})
_REMEDY = "install one version of kubeadm and kubelet everywhere, the control plane's first"


def skew(deck: Deck) -> Iterator[Judgement]:
    """Shape: one judgement on control planes, one for each kubelet minor out of bounds."""
    planes: dict[Version, list[Filed]] = defaultdict(list)
    kubelets: dict[Version, list[Filed]] = defaultdict(list)
    unknown: list[tuple[Filed, str]] = []
    for item in deck.cards:
        card = item.card
        wanted = parse_version(card.kubernetes)
        if card.role in _MASTERS and wanted is not None:
            planes[wanted.release].append(item)
        if card.role == Role.ETCD.value or card.kubelet is None:
            continue
        if isinstance(card.kubelet, Unknown):
            unknown.append((item, card.kubelet.message))
        elif (version := parse_version(card.kubelet)) is not None:
            kubelets[version.release].append(item)
        else:
            unknown.append((item, f"{shown(card.kubelet)!r} is no version"))
    broken = list(_planes(planes))
    # Without a control plane among the cards the kubelets have only each other to go by.
    known = sorted(planes or kubelets)
    if known:
        broken += _kubelets(kubelets, known[0], known[-1])
    yield from broken
    if unknown:
        yield not_known("the kubelet's version", unknown)
    if kubelets and not broken:
        seen = ", ".join(str(version) for version in sorted(kubelets))
        yield passed(f"kubelets of Kubernetes {seen} may run beside each other", observed=seen)


def _planes(planes: dict[Version, list[Filed]]) -> Iterator[Judgement]:
    versions = sorted(planes)
    if versions and versions[-1].minor - versions[0].minor > API_SERVER_SKEW:
        behind = [item for version in versions[:-1] for item in planes[version]]
        parts = [f"{version} on {named(labels_of(planes[version]))}" for version in versions]
        yield failed(
            f"control planes are more than one minor apart: {'; '.join(parts)}",
            subject="kube-apiserver",
            observed=", ".join(map(str, versions)),
            expected="one minor, or two next to each other",
            remedy=_REMEDY,
            nodes=labels_of(behind),
        )


def _kubelets(
    kubelets: dict[Version, list[Filed]], oldest: Version, newest: Version
) -> Iterator[Judgement]:
    width = KUBELET_SKEW if newest >= WIDER_SINCE else KUBELET_SKEW_BEFORE
    for version, items in sorted(kubelets.items()):
        labels = labels_of(items)
        if version > oldest:
            problem = f"newer than the API server's {oldest}"
        elif newest.minor - version.minor > width:
            problem = f"more than {width} minors older than the API server's {newest}"
        else:
            continue
        yield failed(
            f"the kubelet of {named(labels)} is {version}, {problem}",
            subject=f"kubelet {version}",
            observed=str(version),
            expected=f"{oldest.major}.{newest.minor - width} to {oldest}",
            remedy=_REMEDY,
            nodes=labels,
        )
