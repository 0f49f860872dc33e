"""The node's name: that it has one, that Kubernetes takes it, where it leads, whether it stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from shlex import quote

from preflight.checks.addresses import is_own, node_address, own_addresses
from preflight.checks.cards import twins
from preflight.checks.hostsfile import add_to_hosts, take_from_hosts
from preflight.checks.registry import (
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
    warned,
)
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.identity import NameLookup
from preflight.facts.model.network import IPAddress
from preflight.target import Target

NAMES = "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"
NODE_NAMES = "https://kubernetes.io/docs/concepts/architecture/nodes/#node-name-uniqueness"
INSTALL = "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"
# RFC 1123 as apimachinery's IsDNS1123Subdomain has it: labels of 63, 253 in all.
LABEL_MAX, NAME_MAX = 63, 253
# The kubelet puts the name into the label kubernetes.io/hostname, and the API server refuses a
# label value above 63 (https://github.com/kubernetes/kubernetes/issues/99156).
NODE_NAME_MAX = 63
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
# What a machine is called that nobody gave a name; "(none)" is the kernel's own default.
UNSET_NAMES = ("", "(none)", "localhost", "localhost4", "localhost6")
NOT_SET = "the node has no usable name; hostname-set says more"


def wanted_name(facts: Facts, target: Target) -> str:
    """The node's name as configured, else as the machine has it; not yet in lower case."""
    return (target.settings.node_name or known(facts.identity).hostname).strip()


def is_unset(name: str) -> bool:
    """Whether it is a name that every machine has before it gets one."""
    lowered = name.lower()
    return lowered in UNSET_NAMES or lowered.startswith(
        ("localhost.", "localhost4.", "localhost6.")
    )


def name_problem(name: str, *, runs_kubelet: bool = True) -> str:
    """Why Kubernetes does not take ``name`` as a node's name; empty where it does."""
    if name != name.lower():
        return "has upper-case letters; kubeadm would name the node otherwise than the machine"
    for label in name.split("."):
        if len(label) > LABEL_MAX:
            return f"has a part of {len(label)} characters, and {LABEL_MAX} are allowed"
        if not label:
            return "has an empty part between or beside its dots"
        if not _LABEL.fullmatch(label):
            return "has other characters than a-z, 0-9 and hyphens inside its parts"
    if runs_kubelet and len(name) > NODE_NAME_MAX:
        return (
            f"is {len(name)} characters long, and the API server refuses a node whose "
            f"kubernetes.io/hostname label is over {NODE_NAME_MAX}"
        )
    return f"is {len(name)} characters long, over {NAME_MAX}" if len(name) > NAME_MAX else ""


def rename_command(facts: Facts, name: str) -> str:
    """The command that gives this machine the name, now and at the next boot."""
    if not isinstance(facts.system, Unknown) and not facts.system.systemd:
        return f"printf '%s\\n' {quote(name)} > /etc/hostname && hostname {quote(name)}"
    return f"hostnamectl set-hostname {quote(name)}"


def usable_form(name: str) -> str:
    """The nearest name that Kubernetes takes: lower case, hyphens, cut. Empty: none is left."""
    parts = [re.sub(r"[^a-z0-9-]+", "-", part).strip("-") for part in name.lower().split(".")]
    joined = ".".join(part for part in parts if part)
    if len(joined) > NODE_NAME_MAX:
        joined = joined.split(".", 1)[0][:NODE_NAME_MAX].rstrip("-")
    return joined


def suggested_name(facts: Facts, target: Target) -> str:
    """A name for a machine that has none: the cluster file's for its address, else made of it."""
    address = node_address(facts, target)
    for node in target.cluster.nodes:
        if address in node.addresses:
            return node.name
    return f"node-{re.sub('[.:]+', '-', str(address)).strip('-')}" if address else "node-1"


@check(
    "hostname-set",
    fix="hostname-set",
    title="The machine has a name of its own",
    why="The host name becomes the node's name. Two nodes called localhost are one node to the "
    "API server: the second takes over the first.",
    source=INSTALL,
    aliases=("Hostname",),
)
def hostname_set(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement on the name that the node would get."""
    name = wanted_name(facts, target)
    if not is_unset(name):
        yield passed(f"the node is called {name}", observed=name)
        return
    said = f"the host name is {name}" if name else "the host name is empty"
    yield failed(
        f"{said}, which every machine has that nobody named",
        observed=name,
        expected="a name that no other node has",
        remedy=rename_command(facts, suggested_name(facts, target)),
    )


@check(
    "hostname-valid",
    fix="hostname-valid",
    title="Kubernetes takes the name",
    why="A node's name is an RFC 1123 subdomain in lower case. kubeadm lower-cases the host name, "
    "so an upper-case one differs from the node's; others are refused when the node registers.",
    source=NAMES,
    aliases=("Hostname",),
)
def hostname_valid(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. The limit of 63 is for nodes, not for external etcd members."""
    name = wanted_name(facts, target)
    if is_unset(name):
        yield skipped(NOT_SET)
        return
    problem = name_problem(name, runs_kubelet=target.role.runs_kubelet)
    if not problem:
        yield passed(f"{name} is a valid node name", observed=name)
        return
    better = usable_form(name) or suggested_name(facts, target)
    yield failed(
        f"the name {name} {problem}",
        observed=name,
        expected=f"a-z, 0-9, hyphens and dots, at most {NODE_NAME_MAX} characters",
        remedy=f"set nodeRegistration.name to {better} in the kubeadm configuration"
        if target.settings.node_name
        else rename_command(facts, better),
    )


def _usable(facts: Facts, target: Target) -> Judgement | None:
    """A skip where the name itself is the fault, which its own check finds."""
    name = wanted_name(facts, target)
    if is_unset(name):
        return skipped(NOT_SET)
    if name_problem(name, runs_kubelet=target.role.runs_kubelet):
        return skipped("the name itself is not usable; hostname-valid says more")
    return None


def _words(addresses: tuple[IPAddress, ...] | list[IPAddress]) -> str:
    return " and ".join(str(address) for address in addresses)


def _other_name(lookup: NameLookup, name: str) -> Judgement | None:
    """Unknown where saved facts hold the lookup of another name than the node is to have."""
    found = lookup.name.lower()
    if found == name or found.startswith(f"{name}."):
        return None
    return undetermined(f"the facts hold a lookup of {lookup.name} and none of {name}")


NAME_IN_HOSTS = (
    "let a name server be reached, or put a line with this node's address and name into /etc/hosts"
)


@check(
    "hostname-resolves",
    fix="hostname-resolves",
    title="The name leads to this node",
    why="kubeadm, the kubelet and many CNIs look the node's name up to find its address. A name "
    "that leads to 127.0.1.1 or to another machine gives them a wrong one.",
    source=INSTALL,
    severity=WARNING,
    aliases=("Hostname",),
)
def hostname_resolves(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement on what the name service answers."""
    if fault := _usable(facts, target):
        yield fault
        return
    name = wanted_name(facts, target)
    lookup = known(known(facts.identity).hostname_lookup, remedy=NAME_IN_HOSTS)
    own = own_addresses(facts)
    foreign = [address for address in lookup.addresses if not is_own(address, own)]
    real = [address for address in lookup.addresses if address in own and not address.is_loopback]
    address = node_address(facts, target)
    add = add_to_hosts(f"{address or 'ADDRESS-OF-THIS-NODE'} {name}")
    replace = f"{take_from_hosts(name)} && {add}"
    if other := _other_name(lookup, name):
        yield other
    elif not lookup.addresses:
        yield failed(f"{name} does not resolve: {lookup.error}", remedy=add)
    elif foreign and lookup.source != "/etc/hosts" and _foreign_by_server(facts, own):
        yield skipped("a name server gives a foreign address; hostname-unique says more")
    elif foreign:
        yield failed(
            f"{name} resolves by {lookup.source} to {_words(foreign)}, which no interface "
            "of this node has",
            observed=_words(lookup.addresses),
            expected=str(address or "an address of this node"),
            remedy=replace if lookup.source == "/etc/hosts" else add,
        )
    elif real:
        yield passed(f"{name} resolves to {_words(real)}", observed=_words(real))
    else:
        yield failed(
            f"{name} resolves only to {_words(lookup.addresses)}, which leads every "
            "machine to itself",
            observed=_words(lookup.addresses),
            expected=str(address or "an address that other nodes reach"),
            remedy=replace,
        )


def _foreign_by_server(facts: Facts, own: frozenset[IPAddress]) -> bool:
    answer = known(facts.identity).name_server_lookup
    return isinstance(answer, NameLookup) and any(
        not is_own(address, own) for address in answer.addresses
    )


WITHOUT_NAME_SERVER = (
    "let a name server be reached; without one, compare the cards of all nodes (nodeprep compare), "
    "and check with --offline, which asks none"
)


@check(
    "hostname-unique",
    title="No other machine has the name",
    why="A second node with the same name takes over the first one's Node object, its pods and "
    "its certificates. One node alone sees it where a name server gives the name to another.",
    source=NODE_NAMES,
    applies="One node alone asks its name servers (not with --offline); "
    "`nodeprep compare` holds all cards side by side.",
)
def hostname_unique(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement on what the name servers answer, /etc/hosts left out."""
    yield from twins(target, "hostname-unique")
    if fault := _usable(facts, target):
        yield fault
        return
    answer = known(known(facts.identity).name_server_lookup, remedy=WITHOUT_NAME_SERVER)
    if other := _other_name(answer, wanted_name(facts, target)):
        yield other
        return
    if not answer.addresses:
        yield passed(f"no other machine is seen under the name: {answer.error}")
        return
    own = own_addresses(facts)
    foreign = [address for address in answer.addresses if not is_own(address, own)]
    said = f"a name server gives {answer.name} the address {_words(answer.addresses)}"
    if not foreign:
        yield passed(f"{said}, this node's own")
        return
    remedy = (
        f"correct the record of {answer.name} in the DNS, or give this machine another name: "
        f"{rename_command(facts, f'{wanted_name(facts, target)}-2')}"
    )
    if len(foreign) < len(answer.addresses):
        yield warned(f"{said}: both this node and {_words(foreign)}", remedy=remedy)
    elif _is_translated(foreign, own):
        yield warned(
            f"{said}, which no interface here has: another machine, or the public address that a "
            "router translates to this node",
            remedy=f"if another machine answers at {_words(foreign)}, {remedy}",
        )
    else:
        yield failed(
            f"{said}, which no interface of this node has: another machine has the name",
            observed=_words(foreign),
            expected="no record, or an address of this node",
            remedy=remedy,
        )


def _is_translated(foreign: list[IPAddress], own: frozenset[IPAddress]) -> bool:
    """Whether the answer may be this node's public address behind one-to-one NAT, as in clouds."""
    return all(address.is_global for address in foreign) and not any(
        address.is_global and address.version == foreign[0].version for address in own
    )


@check(
    "hostname-persistent",
    fix="hostname-persistent",
    title="The name is the same after a reboot",
    why="A kubelet whose host name changed registers as a new node, and the certificates of the "
    "old one do not fit.",
    source="https://kubernetes.io/docs/concepts/architecture/nodes/#node-name-uniqueness",
    severity=WARNING,
)
def hostname_persistent(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each of /etc/hostname and cloud-init."""
    identity = known(facts.identity)
    running = identity.hostname.strip()
    if is_unset(running) or name_problem(running, runs_kubelet=target.role.runs_kubelet):
        yield skipped("the running name has to change first")
        return
    remedy = rename_command(facts, running)
    kept = True
    if isinstance(identity.etc_hostname, Unknown):
        yield undetermined(identity.etc_hostname.message, subject="/etc/hostname")
        kept = False
    elif identity.etc_hostname != running:
        kept = False
        says = identity.etc_hostname
        yield failed(
            f"/etc/hostname says {says}, and the machine is called {running}: the next boot brings "
            f"{says} back"
            if says
            else f"/etc/hostname names nothing, so the name {running} is gone after the next boot",
            subject="/etc/hostname",
            observed=says or "",
            expected=running,
            remedy=remedy,
        )
    if isinstance(identity.cloud_hostname, Unknown):
        yield undetermined(identity.cloud_hostname.message, subject="cloud-init")
    elif identity.cloud_hostname not in (None, running):
        yield failed(
            f"cloud-init sets the name {identity.cloud_hostname} at the next boot, and the machine "
            f"is called {running}",
            subject="cloud-init",
            observed=identity.cloud_hostname or "",
            expected=running,
            remedy="mkdir -p /etc/cloud/cloud.cfg.d && "
            "echo 'preserve_hostname: true' > /etc/cloud/cloud.cfg.d/99-hostname.cfg",
        )
    elif kept:
        yield passed(f"/etc/hostname says {running} too, and nothing else sets it")
