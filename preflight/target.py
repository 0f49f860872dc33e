"""What the node is to become: the second input of every check, beside its facts."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from preflight.facts.model import Facts, Unknown
from preflight.settings import Settings
from rules.cluster import Cluster, Role
from rules.record import record
from rules.version import NEWEST, Version, parse_version

if TYPE_CHECKING:
    from preflight.fleet.card import Deck
    from preflight.fleet.reach.model import Reach
    from rules.policy import Policy


class Phase(str, Enum):
    """``before``: kubeadm has not run. ``after``: the node's components should be running."""

    BEFORE = "before"
    AFTER = "after"

    def __str__(self) -> str:
        return self.value


@record
class Target:
    """Role, phase, version and configuration that a node's facts are held against.

    ``version_source`` says where the version came from, for the report. ``deck``: the cards of
    the other nodes and this one's, whose label is ``label``; None where none were given.
    ``reaches``: what probes of its peers met; None where none were asked for. ``flags``: those of
    the configuration, each with a space before it, which the commands of remedies repeat.
    """

    role: Role
    phase: Phase
    version: Version
    settings: Settings
    version_source: str = ""
    deck: Deck | None = None
    label: str = ""
    reaches: tuple[Reach, ...] | None = None
    flags: str = ""

    @property
    def cluster(self) -> Cluster:
        """The cluster that the node is to join."""
        return self.settings.cluster

    @property
    def policy(self) -> Policy:
        """What may pass: the port matrix for this role, version and configuration."""
        from rules.policy import policy

        return policy(
            self.role,
            self.cluster,
            version=self.version,
            proxy_disabled=self.settings.proxy_disabled,
        )


def choose_version(settings: Settings, facts: Facts) -> tuple[Version, str]:
    """The version given, else the kubelet's or kubeadm's on the node, else the newest known."""
    if settings.version_given is not None:
        return settings.version_given, "given"
    if not isinstance(facts.runtime, Unknown):
        kubelet, kubeadm = facts.runtime.kubelet, facts.runtime.kubeadm_version
        if isinstance(kubeadm, str) and (version := parse_version(kubeadm)):
            return version, "kubeadm on this node"
        if (
            kubelet
            and not isinstance(kubelet, Unknown)
            and (version := parse_version(kubelet.version))
        ):
            return version, "kubelet on this node"
    return NEWEST, "the newest that nodeprep knows"
