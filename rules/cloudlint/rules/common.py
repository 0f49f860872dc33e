"""What is wrong in every cloud: ports, protocols, networks, and what the world may reach. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rules.cloudlint.model import (
    ERROR,
    PROTOCOL_NAMES,
    WARNING,
    Document,
    Place,
    Said,
    network,
    whole,
)
from rules.cloudlint.registry import lint
from rules.parse.cloud.values import PROTOCOLS
from rules.space import last_port

ALL = "aws gcp azure openstack"
_KUBERNETES = "https://kubernetes.io/docs/reference/networking/ports-and-protocols/"
_APIS = (
    "IpPermission (EC2), Firewall (compute), SecurityRule (Azure), security-group-rules (Neutron)"
)
_RFC = "https://www.iana.org/assignments/service-names-port-numbers"
# Ports of a control plane and of kubelets that no outsider needs.
INNER = {
    2379: "etcd", 2380: "etcd's peers", 10250: "the kubelet", 10255: "the kubelet without a login",
    10257: "the controller manager", 10259: "the scheduler", 10251: "the scheduler of old",
    10252: "the controller manager of old",
}  # fmt: skip


@lint("port-range", ALL, ERROR, "A range of ports that there is not", _RFC)
def port_range(document: Document) -> Iterator[Place]:
    """Ports are 0-65535, the first no greater than the last; types of ICMP are 0-255."""
    for rule in document.rules:
        if rule.every_protocol and document.cloud == "aws":
            continue  # EC2 ignores what stands there
        icmp = rule.number in (1, 58)
        most = 255 if icmp else 65535
        for first, last in rule.ports:
            low, high = whole(first), whole(last)
            if (low, high) == (-1, -1):
                continue
            if low is None or high is None:
                yield rule.where, f"{first!r}-{last!r} is no range of ports"
            elif icmp and document.cloud in ("aws", "openstack"):
                # a type and a code, which -1 leaves open
                if not (-1 <= low <= most and -1 <= high <= most):
                    yield rule.where, f"ICMP has no type {low} with code {high}"
            elif not 0 <= low <= high <= most:
                yield rule.where, f"{low}-{high} is no range of ports (0-{most})"


@lint("protocol-name", ALL, ERROR, "A protocol that the cloud does not know", _APIS)
def protocol_name(document: Document) -> Iterator[Place]:
    """Names differ from cloud to cloud; AWS, Google and OpenStack take numbers too."""
    for rule in document.rules:
        if rule.protocol is None:
            continue
        word = str(rule.protocol).lower()
        number = whole(word)
        numbered = document.cloud != "azure" and number is not None and 0 <= number <= 255
        if word not in PROTOCOL_NAMES[document.cloud] and not numbered:
            known = ", ".join(sorted(PROTOCOL_NAMES[document.cloud]))
            yield rule.where, f"no protocol is called {rule.protocol!r}; there are {known}"


@lint("network", ALL, ERROR, "What is to be a network is none", "RFC 4632, RFC 4291")
def is_network(document: Document) -> Iterator[Place]:
    """Addresses with a prefix length."""
    for rule in document.rules:
        for text in (*rule.texts, *rule.destinations):
            if text not in ("*", "Internet") and network(text) is None:
                yield rule.where, f"{text!r} is no network"


@lint("host-bits", ALL, WARNING, "A network with bits behind its prefix", "RFC 4632")
def host_bits(document: Document) -> Iterator[Place]:
    """Some APIs drop them, and show a difference for ever; some refuse them."""
    for rule in document.rules:
        for text in (*rule.texts, *rule.destinations):
            found = network(text)
            address = text.partition("/")[0]
            if (
                found is not None
                and "/" in text
                and network(address) != network(str(found.network_address))
            ):
                yield rule.where, f"{text} is {found} with bits that do not count"


def reaches(rule: Said, port: int) -> bool:
    """Whether a rule lets in a port of TCP."""
    if rule.egress or rule.deny:
        return False
    if rule.every_protocol:
        return True
    if rule.number != PROTOCOLS["tcp"]:
        return rule.protocol is None and rule.family is not None  # OpenStack: all of them
    if not rule.ports:
        return True
    ends = [(whole(first), whole(last)) for first, last in rule.ports]
    return any(
        (low, high) == (-1, -1) or low <= port <= min(high, last_port(6))
        for low, high in ends
        if low is not None and high is not None
    )


@lint("world-open-control-plane", ALL, ERROR, "The world reaches the control plane", _KUBERNETES)
def world_open_control_plane(document: Document) -> Iterator[Place]:
    """Etcd, kubelets, scheduler and controller manager are for the cluster alone."""
    for rule in document.rules:
        open_ports = [f"{port} ({name})" for port, name in INNER.items() if reaches(rule, port)]
        if open_ports and rule.worldwide:
            yield rule.where, f"{', '.join(open_ports)} from {rule.worldwide[0]}"


@lint("world-open-api", ALL, WARNING, "The world reaches the API server", _KUBERNETES)
def world_open_api(document: Document) -> Iterator[Place]:
    """Its credentials are then all that keeps anybody out."""
    for rule in document.rules:
        if reaches(rule, 6443) and rule.worldwide:
            yield rule.where, f"6443 from {rule.worldwide[0]}"


@lint("world-open-ssh", ALL, WARNING, "The world reaches SSH", _KUBERNETES)
def world_open_ssh(document: Document) -> Iterator[Place]:
    """Name the networks of those who administer the machines."""
    for rule in document.rules:
        if reaches(rule, 22) and rule.worldwide:
            yield rule.where, f"22 from {rule.worldwide[0]}"
