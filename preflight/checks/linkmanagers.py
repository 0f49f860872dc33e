"""Services that configure interfaces, beside a pod network that makes its own."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from preflight.checks import scope
from preflight.checks.registry import (
    KUBELET_ROLES,
    WARNING,
    Judgement,
    check,
    failed,
    passed,
)
from preflight.facts.model import Facts, known
from preflight.facts.model.network import LinkManager
from preflight.target import Target

# The host's side of a pod, unless the pod network has a name of its own for it.
POD_LINKS = "veth*"
FOREIGN = "foreign routes"


@check(
    "cni-links-unmanaged",
    fix="cni-links-unmanaged",
    title="NetworkManager and networkd leave the pod network's interfaces alone",
    why="NetworkManager takes every interface that nobody took from it, and networkd those that a "
    "broad .network file names: they then take away addresses and routes that the pod network "
    "set. When networkd starts, it also removes routes and rules that it does not know.",
    source="https://docs.cilium.io/en/stable/operations/system_requirements/",
    severity=WARNING,
    roles=KUBELET_ROLES,
    applies="Where one of the two runs; the interfaces by the pod network.",
)
def cni_links_unmanaged(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each service, one for networkd's foreign routes."""
    managers = known(known(facts.network).link_managers)
    patterns = wanted_links(target)
    for manager in managers:
        claimed = [pattern for pattern in patterns if _claims(manager, pattern)]
        if claimed:
            yield failed(
                f"{manager.name} would manage {', '.join(claimed)}, which the pod network makes",
                subject=manager.name,
                observed=", ".join(claimed),
                expected="not managed",
                remedy="nodeprep fix --only cni-links-unmanaged",
            )
        else:
            yield passed(f"{manager.name} leaves {', '.join(patterns)} alone", subject=manager.name)
        if manager.removes_foreign:
            yield failed(
                f"{manager.name} removes routes and rules of the pod network when it starts "
                f"({' and '.join(manager.removes_foreign)} are on)",
                subject=FOREIGN,
                observed="yes",
                expected="no",
                remedy="nodeprep fix --only cni-links-unmanaged",
            )
    if not managers:
        yield passed("neither NetworkManager nor systemd-networkd runs here")


def wanted_links(target: Target) -> tuple[str, ...]:
    """The names of the interfaces that the pod network makes, with ``*`` for any end."""
    profile, _ = scope.pod_network(target)
    return tuple(dict.fromkeys((*profile.links, POD_LINKS)))


def _claims(manager: LinkManager, pattern: str) -> bool:
    """Whether it would manage an interface of this kind: the first rule that matches decides."""
    name = pattern.replace("*", "0")
    for rule in manager.rules:
        if any(fnmatchcase(name, each) for each in rule.patterns) is not rule.inverted:
            return rule.managed
    return manager.claims_unnamed
