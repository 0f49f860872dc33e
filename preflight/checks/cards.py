"""What only several nodes together can know: judged where the others' cards are given.

`nodeprep compare` judges all nodes by these; `nodeprep check --card-dir` this one beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from preflight.checks.registry import (
    ERROR,
    WARNING,
    Judgement,
    check,
    passed,
)
from preflight.facts.model import Facts
from preflight.finding import Severity
from preflight.target import Target

APPLIES = "Where cards are given: `nodeprep compare`, and `nodeprep check --card-dir`"
_SKEW = "https://kubernetes.io/releases/version-skew-policy/"
_KUBEADM = "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/"


def twins(target: Target, id: str) -> Iterator[Judgement]:
    """Shape: where cards are given, one judgement for each value that another node has too, or one
    that none does. ``id``: a check of ``preflight.fleet.identifiers``."""
    if target.deck is None:
        return
    from preflight.fleet.compare.unique import compare
    from preflight.fleet.identifiers import BY_ID

    others = len(target.deck.cards) - 1
    found = [item for item in compare(BY_ID[id], target.deck) if target.label in item.nodes]
    yield from found
    if not found and others > 0:
        count = "the one other card has" if others == 1 else f"none of the {others} other cards has"
        denied = "not " if others == 1 else ""
        yield passed(f"{count} {denied}{BY_ID[id].what} of this node", subject="cards")


def _judge(id: str, facts: Facts, target: Target) -> Iterator[Judgement]:
    """What the comparison of all cards says about this node, and about the cards as a whole."""
    if target.deck is None:
        return
    from preflight.fleet.compare import COMPARISONS

    for item in COMPARISONS[id](target.deck):
        if not item.nodes or target.label in item.nodes or id == "cards-usable":
            yield item


def _compared(
    id: str, title: str, why: str, source: str, severity: Severity = ERROR, applies: str = ""
) -> None:
    more = f". {applies}" if applies else ""
    check(id, title=title, why=why, source=source, severity=severity, applies=f"{APPLIES}{more}")(
        partial(_judge, id)
    )


_compared(
    "cards-usable",
    "Every card could be compared",
    "A card that cannot be read, or is of another cluster, says nothing, and the others' verdict "
    "holds without it.",
    "https://kubernetes.io/docs/concepts/architecture/nodes/#node-name-uniqueness",
)
_compared(
    "cloud-instance-unique",
    "cloud-init took no two nodes for one machine",
    "A copied disk keeps cloud-init's instance ID, and cloud-init then makes no new SSH host keys "
    "and no new name.",
    "https://cloudinit.readthedocs.io/en/latest/explanation/instancedata.html",
    WARNING,
)
_compared(
    "version-skew",
    "The versions of Kubernetes may run beside each other",
    "A kubelet newer than its API server, or too many minors older, is not supported, and so are "
    "API servers more than one minor apart.",
    _SKEW,
)
_compared(
    "cluster-settings-agree",
    "The nodes were given one cluster",
    "Nodes that were prepared for other ranges, another domain or another endpoint join, and then "
    "fail to reach pods, services or the API server.",
    f"{_KUBEADM}create-cluster-kubeadm/",
)
_compared(
    "pod-networks-agree",
    "The nodes have one pod network",
    "Pods of two pod networks, or of two modes of one, do not reach each other.",
    "https://kubernetes.io/docs/concepts/cluster-administration/networking/",
)
_compared(
    "mtus-agree",
    "The nodes' links have one MTU",
    "Where one link takes larger packets than another, small packets pass and large ones vanish: "
    "connections open, and then hang.",
    "https://www.rfc-editor.org/rfc/rfc2923",
)
_compared(
    "cgroup-drivers-agree",
    "The nodes use one cgroup driver",
    "kubeadm writes one kubelet configuration for all nodes; a runtime with another driver does "
    "not fit to it.",
    f"{_KUBEADM.removesuffix('tools/kubeadm/')}container-runtimes/#cgroup-drivers",
)
_compared(
    "runtimes-agree",
    "The nodes have one container runtime",
    "With several, each fault has to be looked for twice, and images and metrics differ.",
    f"{_KUBEADM.removesuffix('tools/kubeadm/')}container-runtimes/",
    WARNING,
)
_compared(
    "time-zones-agree",
    "The nodes show one time zone",
    "Logs, and the dates of certificates as tools print them, are read side by side.",
    "https://man7.org/linux/man-pages/man5/localtime.5.html",
    WARNING,
)
_compared(
    "clocks-agree",
    "The nodes' clocks show one time",
    "Certificates, join tokens and service account tokens of a clock that is ahead are refused.",
    "https://etcd.io/docs/v3.6/op-guide/hardware/",
    WARNING,
    "A clock that is seen to be off is an error; one that cannot be seen is a warning",
)
_compared(
    "pod-cidrs-disjoint",
    "No two nodes give their pods the same addresses",
    "Each pod's address leads to one node; where two nodes have a range, one of them gets the "
    "other's packets.",
    "https://kubernetes.io/docs/concepts/cluster-administration/networking/",
)
_compared(
    "etcd-members-odd",
    "The etcd has an odd number of members",
    "An even number stands the loss of no more members than one less would, and has one more that "
    "can fail.",
    "https://etcd.io/docs/v3.6/faq/#why-an-odd-number-of-cluster-members",
    WARNING,
)
_compared(
    "roles-complete",
    "The nodes make up a cluster",
    "A cluster has a control plane: one master, or several that know of each other.",
    f"{_KUBEADM}create-cluster-kubeadm/",
)
