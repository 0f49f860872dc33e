"""What the three infrastructure providers of Cluster API have in common here. Pure.

Their groups are two, for the control plane and for the nodes, and they make them themselves: a
document only holds the rules, to be merged into the cluster's own resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rules.cloud.document import CloudGroup, CloudOptions
from rules.cloud.peer import Kind
from rules.cloud.rule import Rule
from rules.errors import UsageError

MASTERS = ("master", "multi-master")
# Names of clusters are of RFC 1035 in all three, with room for what the providers put behind.
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")


def check_options(options: CloudOptions) -> None:
    """Raises UsageError for a name that is no cluster's, and for what the resource has already."""
    if not _NAME.fullmatch(options.name):
        raise UsageError(
            f"--name {options.name!r} is no name of a cluster: small letters, digits and hyphens, "
            "beginning with a letter, 40 at most"
        )
    given = (options.network, options.scope, options.location, options.tags, options.accounts)
    flags = ("--network", "--scope", "--location", "--tag", "--service-account")
    for value, flag in zip(given, flags, strict=True):
        if value:
            raise UsageError(f"Cluster API keeps that elsewhere in the cluster; leave out {flag}")


def split(
    rules: Iterable[Rule], receivers: tuple[str, ...], names: tuple[str, str]
) -> tuple[CloudGroup, ...]:
    """The group of the control plane and that of the nodes, by the provider's ``names`` for them.

    Raises UsageError for roles that Cluster API's machines do not have, or too few of them.
    """
    listed = tuple(rules)
    masters = [role for role in receivers if role in MASTERS]
    peers = {rule.peer.name for rule in listed if rule.peer.kind is Kind.ROLE}
    if "etcd" in {*receivers, *peers}:
        raise UsageError(
            "Cluster API has no machines for an external etcd, and so no group of them"
        )
    if len(masters) != 1 or "worker" not in receivers:
        raise UsageError(
            "a cluster of Cluster API has one kind of control plane, and workers; this one has "
            f"{', '.join(receivers)}"
        )
    return tuple(
        CloudGroup(name, role, 1, tuple(rule for rule in listed if rule.receiver == role))
        for name, role in zip(names, (masters[0], "worker"), strict=True)
    )


def group_names(masters: str, names: tuple[str, str]) -> dict[str, str]:
    """Role -> the provider's name of its group."""
    return {masters: names[0], "worker": names[1]}
