"""The cloud rules of one run: configuration and flags -> the rules of one cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from preflight import config as configuration
from preflight.firewall.policy import NAMEABLE, with_sources
from rules.errors import UsageError
from rules.record import record
from rules.words import hint

if TYPE_CHECKING:
    from rules.cloud.document import CloudOptions, CloudRules
    from rules.cloud.peer import Peer
    from rules.cloud.plan import CloudPlan
    from rules.cluster import Cluster, Role
    from rules.flows import Group


@record
class CloudRequest:
    """What the flags of a cloud command say, as they were written.

    ``roles``: ``all`` or names. ``peers``: ``GROUP=NAME``; ``tags``, ``quotas`` and ``accounts``:
    ``KEY=VALUE``.
    """

    cloud: str
    roles: str = "all"
    name: str = "nodeprep"
    network: str = ""
    scope: str = ""
    location: str = ""
    tags: tuple[str, ...] = ()
    quotas: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    allow_widening: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    by_address: bool = False
    sources: tuple[str, ...] = ()
    config: str = ""
    kubeadm_config: str = ""
    kubernetes_version: str = ""
    cni: str = ""

    def but(self, **changes: Any) -> CloudRequest:
        """The same request with other values in the named fields."""
        return CloudRequest(**{**vars(self), **changes})


def load_rules(request: CloudRequest) -> CloudRules:
    """The cluster's rules in the cloud's words.

    Raises UsageError for an unknown cloud, role, peer, tag or quota, and as ``cloud_rules`` does.
    """
    from preflight import __version__
    from rules.render.cloud import cloud_rules

    plan = load_plan(request)
    return cloud_rules(
        request.cloud,
        plan,
        options(request),
        allowed=_listed(request.allow_widening),
        left_out=_listed(request.leave_out),
        version=__version__,
    )


def load_plan(request: CloudRequest) -> CloudPlan:
    """What each role's group must let in, before any cloud has its say. Raises UsageError."""
    from rules.cloud import load
    from rules.cloud.plan import Wishes, cluster_roles, make_plan
    from rules.policy import policy

    module = load(request.cloud)
    settings = configuration.load_flags(request)
    cluster = with_sources(settings.cluster, request.sources)
    members = cluster_roles(cluster)
    policies = {
        role: policy(
            role, cluster, version=settings.version_given, proxy_disabled=settings.proxy_disabled
        )
        for role in members
    }
    wishes = Wishes(
        leave_out=frozenset(_listed(request.leave_out)),
        by_address=request.by_address,
        peers=tuple(pair for word in request.peers for pair in _peers(word, module.named)),
    )
    return make_plan(policies, _roles(request.roles, members, cluster), wishes)


def options(request: CloudRequest) -> CloudOptions:
    """The names, tags and quotas of a request. Raises UsageError."""
    from rules.cloud.document import CloudOptions

    quotas: list[tuple[str, int]] = []
    for key, text in _pairs("--quota", request.quotas):
        if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) == int(text)):
            raise UsageError(f"--quota {key!r} takes a number above 0, not {text!r}")
        quotas.append((key, int(text)))
    return CloudOptions(
        name=request.name,
        network=request.network,
        scope=request.scope,
        location=request.location,
        tags=tuple(_pairs("--tag", request.tags)),
        quotas=tuple(quotas),
        accounts=tuple(_pairs("--service-account", request.accounts)),
    )


def _listed(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(part.strip() for word in words for part in word.split(",") if part.strip())


def _pairs(flag: str, words: Iterable[str]) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise UsageError(f"{flag} takes KEY=VALUE, not {word!r}")
        if key in found:
            raise UsageError(f"{flag} {key!r} is given twice")
        found[key] = text
    return list(found.items())


def _roles(words: str, members: tuple[Role, ...], cluster: Cluster) -> tuple[Role, ...]:
    from rules.cluster import Role

    if words == "all":
        return members
    found: list[Role] = []
    for word in _listed([words]):
        role = Role.named(word)
        if role is None:
            names = ", ".join(role.value for role in Role)
            near = hint(word, ["all", *(role.value for role in Role)])
            raise UsageError(f"no role is called {word!r}; the roles are all, {names}{near}")
        if role not in members:
            there = ", ".join(member.value for member in members)
            why = "of its nodes" if cluster.nodes else "that it has without a list of nodes"
            raise UsageError(f"the cluster has no {role.value}; the roles {why} are {there}")
        found.append(role)
    if not found:
        raise UsageError("--role names no role; all means those of the cluster")
    return tuple(found)


def _peers(word: str, named: Callable[[str], tuple[Peer, ...]]) -> tuple[tuple[Group, Peer], ...]:
    name, equals, text = word.partition("=")
    group = next((group for group in NAMEABLE if group.value == name.strip()), None)
    if group is None or not equals:
        names = ", ".join(group.value for group in NAMEABLE)
        near = hint(name, [group.value for group in NAMEABLE])
        raise UsageError(f"--peer takes GROUP=NAME, not {word!r}; the groups are {names}{near}")
    return tuple((group, peer) for peer in named(text))
