"""The firewall policy of one run: configuration, flags and the node's own version -> Policy."""

from __future__ import annotations

from collections.abc import Iterable

from preflight import config as configuration
from preflight.facts.installed import version_for
from preflight.settings import Settings
from rules.access import lacking_groups
from rules.cluster import Cluster, IPNetwork, Role
from rules.errors import UsageError
from rules.flows import Group
from rules.policy import Policy, policy
from rules.record import record
from rules.words import hint

# Groups that a person may name; the rest follow from these or are everybody.
NAMEABLE = tuple(group for group in Group if group not in (Group.SELF, Group.ANYWHERE))
# Where the cluster file says it: its key, for the remedy.
_KEYS = {
    Group.MASTERS: "nodes",
    Group.WORKERS: "nodes",
    Group.NODES: "nodes",
    Group.ETCD: "nodes",
    Group.PODS: "networking.podSubnet",
}


@record
class PolicyRequest:
    """What the flags of a firewall command say. ``sources`` are ``GROUP=CIDR[,CIDR]``."""

    role: Role
    config: str = ""
    kubeadm_config: str = ""
    kubernetes_version: str = ""
    cni: str = ""
    sources: tuple[str, ...] = ()


def load_policy(request: PolicyRequest) -> tuple[Policy, Settings]:
    """The role's policy with every source group known, and the settings that it is made of.

    Raises UsageError that names the groups without addresses, all at once, with the remedy.
    """
    settings = configuration.load_flags(request)
    version, _ = version_for(settings)
    made = policy(
        request.role,
        with_sources(settings.cluster, request.sources),
        version=version,
        proxy_disabled=settings.proxy_disabled,
    )
    if lacking := lacking_groups(made):
        raise UsageError(_missing(lacking, made.cluster))
    return made, settings


def with_sources(cluster: Cluster, words: Iterable[str]) -> Cluster:
    """The cluster with what ``--source GROUP=CIDR[,CIDR]`` adds. Raises UsageError."""
    added: dict[Group, list[IPNetwork]] = {}
    for word in words:
        group, networks = _parse(word)
        added.setdefault(group, []).extend(networks)
    if not added:
        return cluster

    def joined(group: Group, known: tuple[IPNetwork, ...]) -> tuple[IPNetwork, ...]:
        return (*known, *added.get(group, ()))

    old = cluster.sources
    sources = type(old)(
        admins=joined(Group.ADMINS, old.admins),
        node_ports=joined(Group.NODE_PORT_CLIENTS, old.node_ports),
        load_balancers=joined(Group.LOAD_BALANCERS, old.load_balancers),
        monitoring=joined(Group.MONITORING, old.monitoring),
    )
    named = tuple(
        (group.value, tuple(networks))
        for group, networks in added.items()
        if _KEYS.get(group) == "nodes"
    )
    changes = {
        "sources": sources,
        "pod_subnets": joined(Group.PODS, cluster.pod_subnets),
        "group_networks": (*cluster.group_networks, *named),
    }
    return Cluster(**{**vars(cluster), **changes})


def _parse(word: str) -> tuple[Group, list[IPNetwork]]:
    from preflight.config import values

    name, equals, text = word.partition("=")
    group = next((group for group in NAMEABLE if group.value == name.strip()), None)
    if group is None or not equals:
        names = ", ".join(group.value for group in NAMEABLE)
        raise UsageError(
            f"--source takes GROUP=CIDR[,CIDR], not {values.shown(word)}; the groups are {names}"
            f"{hint(name, [group.value for group in NAMEABLE])}"
        )
    try:
        return group, [values.source(item.strip()) for item in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--source {group.value}: {error}") from None


def _missing(groups: tuple[Group, ...], cluster: Cluster) -> str:
    """What to name, without the groups that follow from another one of them."""
    follow = {Group.NODES} if cluster.external_etcd else {Group.NODES, Group.ETCD}
    if Group.MASTERS in groups:
        groups = tuple(group for group in groups if group not in follow)
    names = ", ".join(group.value for group in groups)
    keys = ", ".join(dict.fromkeys(_KEYS[group] for group in groups if group in _KEYS))
    flags = " ".join(f"--source {group.value}=CIDR" for group in groups)
    return (
        f"the addresses of {names} are not known, and rules that let in everybody instead would be "
        f"too wide; name them in the cluster file ({keys}) and give it with --config, or add "
        f"{flags}"
    )
