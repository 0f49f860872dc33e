"""Name servers: that there are some, and that pods can use them; and what localhost leads to."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from shlex import quote

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
from preflight.checks.scope import is_node, not_a_node
from preflight.facts.model import Facts, Known, Undetermined, Unknown, known
from preflight.facts.model.network import IPAddress, Network, ResolvConf
from preflight.target import Target
from rules.version import Version

DNS = "https://kubernetes.io/docs/tasks/administer-cluster/dns-debugging-resolution/#known-issues"
LIMITS = "https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#dns-search-domain-list-limits"
# glibc's MAXNS (resolv.conf(5)), and the kubelet's limit for a pod.
MAX_NAMESERVERS = 3
# The kubelet's limits for a pod's search list, and those before ExpandedDNSConfig was on (1.26).
MAX_SEARCH_DOMAINS, MAX_SEARCH_CHARACTERS = 32, 2048
OLD_MAX_SEARCH_DOMAINS, OLD_MAX_SEARCH_CHARACTERS = 6, 256
EXPANDED_DNS_SINCE = Version(1, 26)
# The kubelet puts <namespace>.svc.<domain>, svc.<domain> and <domain> before the node's own.
CLUSTER_SEARCH_DOMAINS = 3
ETC, UPSTREAM = "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"
OWN_FILE = "/etc/kubernetes/resolv.conf"


def kubelet_resolver(facts: Facts, target: Target) -> ResolvConf | None:
    """The resolver file that the kubelet will give its pods; None where it is told to read none.

    Configuration decides, then the kubelet's own on the node, then kubeadm's rule: the upstream
    file of systemd-resolved where that is active, else /etc/resolv.conf. Raises Undetermined.
    """
    network = known(facts.network)
    wanted = target.settings.kubelet.resolv_conf
    if wanted is None:
        wanted = _node_setting(facts)
    if wanted == "":
        return None
    if wanted is None:
        wanted = UPSTREAM if known(network.resolved_active) else ETC
    found = _read_file(network, wanted)
    if found is None and wanted == UPSTREAM and network.upstream_resolv_conf is None:
        return ResolvConf(wanted, "", ())
    if found is None:
        raise Undetermined(Unknown("absent", f"{wanted} was not read on this node"))
    return found


def _node_setting(facts: Facts) -> str | None:
    if isinstance(facts.runtime, Unknown) or isinstance(facts.runtime.kubelet, Unknown):
        return None
    kubelet = facts.runtime.kubelet
    return kubelet.resolv_conf if kubelet else None


def _read_file(network: Network, path: str) -> ResolvConf | None:
    for fact in (network.resolv_conf, network.upstream_resolv_conf):
        if isinstance(fact, ResolvConf) and path in (fact.path, fact.target):
            return fact
    for fact in (network.resolv_conf, network.upstream_resolv_conf):
        if isinstance(fact, Unknown) and path in fact.message:
            raise Undetermined(fact)
    return None


def server_address(text: str) -> IPAddress | None:
    """A name server as an address; an IPv6 zone (``%eth0``) is kept. None for what is none."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def leads_home(address: IPAddress) -> bool:
    """Whether a name server at this address is the asking machine (or pod) itself."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    address = mapped or address
    return address.is_loopback or address.is_unspecified


@check(
    "dns-resolvers",
    title="One to three name servers",
    why="Image names are looked up through the node's name servers, and pods inherit them. glibc "
    "and the kubelet use the first three and drop the rest without a word.",
    source=LIMITS,
)
def dns_resolvers(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: a judgement for each file in use: the node's own, and the kubelet's if another."""
    network = known(facts.network)
    node = network.resolv_conf
    if isinstance(node, Unknown):
        yield undetermined(node.message, subject=ETC)
    else:
        yield from _judge_servers(node, target)
    if not is_node(facts, target):
        return
    try:
        kubelet = kubelet_resolver(facts, target)
    except Undetermined as error:
        if error.unknown is not node:
            yield undetermined(error.unknown.message, subject="kubelet")
        return
    if kubelet and not _is_one_file(kubelet, node):
        yield from _judge_servers(kubelet, target)


def _is_one_file(file: ResolvConf, other: Known[ResolvConf]) -> bool:
    if isinstance(other, Unknown):
        return False
    return file.path == other.path or bool(file.target and file.target == other.target)


def _judge_servers(file: ResolvConf, target: Target) -> Iterator[Judgement]:
    servers = [address for text in file.nameservers if (address := server_address(text))]
    path = quote(file.path)
    remedy = f"put the line `nameserver ADDRESS`, with that of your name server, into {path}"
    if file.path == UPSTREAM:
        remedy = "name your name server to systemd-resolved: resolvectl dns INTERFACE ADDRESS"
    expected = f"1 to {MAX_NAMESERVERS}"
    if not file.target:
        yield failed(
            f"{file.path} is not there or leads nowhere, so there is no name server",
            subject=file.path,
            expected=expected,
            # A link that leads nowhere takes no line.
            remedy=remedy if file.path == UPSTREAM else f"{remedy}, after: rm -f {path}",
        )
    elif not servers:
        said = f"no address ({file.nameservers[0]})" if file.nameservers else "no name server"
        yield failed(
            f"{file.path} names {said}",
            subject=file.path,
            observed="0",
            expected=expected,
            remedy=remedy,
        )
    elif len(file.nameservers) > MAX_NAMESERVERS:
        ignored = ", ".join(file.nameservers[MAX_NAMESERVERS:])
        yield failed(
            f"{file.path} names {len(file.nameservers)} name servers, and only the first "
            f"{MAX_NAMESERVERS} are asked; {ignored} never",
            subject=file.path,
            observed=str(len(file.nameservers)),
            expected=expected,
            remedy=f"leave at most {MAX_NAMESERVERS} nameserver lines in {file.path}, or in the "
            "network configuration that writes it",
        )
    elif problem := _search_problem(file, target.version) or _zone_problem(file):
        yield warned(
            f"{file.path} {problem}",
            subject=file.path,
            remedy=f"change {file.path}, or the network configuration that writes it",
        )
    else:
        yield passed(
            f"{file.path} names {', '.join(file.nameservers)}",
            subject=file.path,
            observed=str(len(servers)),
        )


def _search_problem(file: ResolvConf, version: Version) -> str:
    old = version.release < EXPANDED_DNS_SINCE
    domains = OLD_MAX_SEARCH_DOMAINS if old else MAX_SEARCH_DOMAINS
    characters = OLD_MAX_SEARCH_CHARACTERS if old else MAX_SEARCH_CHARACTERS
    if len(file.search) + CLUSTER_SEARCH_DOMAINS > domains:
        return (
            f"has {len(file.search)} search domains; with the {CLUSTER_SEARCH_DOMAINS} of the "
            f"cluster that is over the {domains} that a pod may have, and the rest is cut off"
        )
    length = len(" ".join(file.search))
    if length > characters:
        return f"has a search list of {length} characters, and a pod's may have {characters}"
    return ""


def _zone_problem(file: ResolvConf) -> str:
    if file.nameservers and all("%" in server for server in file.nameservers):
        return (
            f"names only {', '.join(file.nameservers)}: a link-local address behind one of this "
            "node's interfaces, which pods do not have"
        )
    return ""


@check(
    "dns-loop",
    title="Pods do not inherit a name server on loopback",
    why='Inside a pod 127.0.0.1 is the pod. CoreDNS then asks itself and stops with "Loop '
    'detected", and no name resolves in the cluster.',
    source=DNS,
    severity=WARNING,
    applies="Nodes with a kubelet.",
)
def dns_loop(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement on the file that the kubelet will use."""
    if not is_node(facts, target):
        yield not_a_node()
        return
    file = kubelet_resolver(facts, target)
    if file is None:
        yield skipped("the kubelet is told to give its pods no resolver file (resolvConf is empty)")
        return
    servers = [address for text in file.nameservers if (address := server_address(text))]
    if not servers:
        yield skipped(f"{file.path} names no name server; dns-resolvers says more")
        return
    home = [str(address) for address in servers if leads_home(address)]
    if not home:
        yield passed(f"the kubelet's {file.path} names no server on loopback")
        return
    yield failed(
        f"the kubelet will use {file.path}, which names {', '.join(home)}: inside a pod that is "
        "the pod itself",
        observed=", ".join(home),
        expected="addresses that a pod can reach",
        remedy=_loop_remedy(known(facts.network), file),
    )


def _loop_remedy(network: Network, file: ResolvConf) -> str:
    upstream = network.upstream_resolv_conf
    if isinstance(upstream, ResolvConf) and upstream.path != file.path:
        servers = [server_address(text) for text in upstream.nameservers]
        if any(address and not leads_home(address) for address in servers):
            return f"set resolvConf: {upstream.path} in the KubeletConfiguration"
    return (
        f"set resolvConf: {OWN_FILE} in the KubeletConfiguration, and put the line "
        f"`nameserver ADDRESS`, with that of your name server, into {OWN_FILE}"
    )


@check(
    "localhost-resolves",
    fix="localhost-resolves",
    title="localhost is this machine",
    why="Components talk to their neighbours on the node by that name. Where it is missing from "
    "/etc/hosts, a name server somewhere decides where they connect to.",
    source="https://www.rfc-editor.org/rfc/rfc6761#section-6.3",
)
def localhost_resolves(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement; no name server is asked for it."""
    lookup = known(known(facts.identity).localhost_lookup)
    foreign = [address for address in lookup.addresses if not address.is_loopback]
    seen = " and ".join(str(address) for address in lookup.addresses)
    remedy = add_to_hosts("127.0.0.1 localhost", "::1 localhost")
    if not lookup.addresses:
        yield failed(
            f"localhost does not resolve: {lookup.error}", expected="127.0.0.1", remedy=remedy
        )
    elif foreign:
        yield failed(
            f"localhost resolves to {seen}, and not only to this machine",
            observed=seen,
            expected="127.0.0.1 or ::1",
            remedy=f"{take_from_hosts('localhost')} && {remedy}",
        )
    else:
        yield passed(f"localhost is {seen} ({lookup.source or 'name service'})", observed=seen)
