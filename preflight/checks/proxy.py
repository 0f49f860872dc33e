"""Proxy variables: whether they would send the cluster's own traffic away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from shlex import quote

from preflight.checks.addresses import node_address
from preflight.checks.registry import WARNING, Judgement, check, failed, passed
from preflight.facts.model import Facts, known
from preflight.facts.model.network import IPAddress, IPNetwork
from preflight.target import Target
from rules.record import record

# Go's own programs read the first two; pip, curl and others read the third as well.
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
NEVER_PROXIED = "localhost"


@record
class Bypass:
    """What NO_PROXY spares, read as Go's ``golang.org/x/net/http/httpproxy`` reads it.

    ``domains``: (suffix with its dot, whether the name itself counts too, port or empty);
    ``addresses``: (address, port or empty).
    """

    everything: bool
    networks: tuple[IPNetwork, ...]
    addresses: tuple[tuple[IPAddress, str], ...]
    domains: tuple[tuple[str, bool, str], ...]


def parse_no_proxy(text: str) -> Bypass:
    """``10.0.0.0/8,192.0.2.1:6443,.example.net,example.org,*`` -> Bypass. No part is an error."""
    everything = False
    networks: list[IPNetwork] = []
    addresses: list[tuple[IPAddress, str]] = []
    domains: list[tuple[str, bool, str]] = []
    for part in text.lower().split(","):
        word = part.strip()
        if word == "*":
            everything = True
        elif "/" in word:
            if network := _network(word):
                networks.append(network)
        elif word:
            host, port = split_port(word)
            if address := _address(host):
                addresses.append((address, port))
            elif host and host != ".":
                name = host[1:] if host.startswith("*.") else host
                suffix = name if name.startswith(".") else f".{name}"
                domains.append((suffix, not name.startswith("."), port))
    return Bypass(everything, tuple(networks), tuple(addresses), tuple(domains))


def split_port(text: str) -> tuple[str, str]:
    """``host:6443``, ``[2001:db8::1]:6443``, ``2001:db8::1`` -> host and port (or empty)."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, ""


def is_spared(bypass: Bypass, host: str, port: str) -> bool:
    """Whether a connection to ``host`` goes past the proxy."""
    name = host.lower().rstrip(".")
    address = _address(name)
    if name == NEVER_PROXIED or (address and address.is_loopback) or bypass.everything:
        return True
    if address:
        if any(address in network for network in bypass.networks):
            return True
        if any(address == item and wanted in ("", port) for item, wanted in bypass.addresses):
            return True
    return any(
        wanted in ("", port) and (name.endswith(suffix) or (itself and name == suffix[1:]))
        for suffix, itself, wanted in bypass.domains
    )


def _address(text: str) -> IPAddress | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> IPNetwork | None:
    # Go takes a prefix length only, ipaddress a mask too.
    try:
        return ip_network(text, strict=False) if text.rpartition("/")[2].isdecimal() else None
    except ValueError:
        return None


def variable(environment: Mapping[str, str], name: str) -> str:
    """A proxy variable: in capitals first, then in small letters, as Go looks for it."""
    return environment.get(name) or environment.get(name.lower()) or ""


def _first_address(network: IPNetwork) -> IPAddress:
    # kubeadm tests the first address after the network's own; a /32 has only that one.
    return network[min(1, network.num_addresses - 1)]


def _destinations(facts: Facts, target: Target) -> Iterator[tuple[str, str, str, str, str]]:
    """(subject, host, port, what NO_PROXY should name, kubeadm's name of the check)."""
    port = str(target.cluster.ports.api_server)
    address = node_address(facts, target)
    if address:
        yield f"node {address}", str(address), port, str(address), "HTTPProxy"
    peers = {item for node in target.cluster.nodes for item in node.addresses} - {address}
    for peer in sorted(peers, key=lambda item: (item.version, int(item))):
        yield f"node {peer}", str(peer), port, str(peer), "HTTPProxy"
    host, endpoint_port = split_port(target.cluster.control_plane_endpoint)
    if host and host != str(address):
        yield f"API endpoint {host}", host, endpoint_port or port, host, "HTTPProxy"
    ranges = (("service", target.cluster.service_subnets), ("pod", target.cluster.pod_subnets))
    for what, networks in ranges:
        for network in networks:
            subject = f"{what} range {network}"
            yield subject, str(_first_address(network)), "443", str(network), "HTTPProxyCIDR"


@check(
    "proxy-bypass",
    title="The proxy is not asked for the cluster's own addresses",
    why="kubeadm, the kubelet and the runtime take the proxy from the environment. One that is "
    "asked for the API server, a service or a pod cannot reach it.",
    source="https://kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details/",
    severity=WARNING,
    aliases=("HTTPProxy", "HTTPProxyCIDR"),
)
def proxy_bypass(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: a judgement for each destination that would go to the proxy, or one pass."""
    environment = known(facts.system).environment
    proxies = [name for name in PROXIES if variable(environment, name)]
    if not proxies:
        yield passed("no proxy is set in the environment")
        return
    no_proxy = variable(environment, "NO_PROXY")
    bypass = parse_no_proxy(no_proxy)
    destinations = list(_destinations(facts, target))
    caught = [item for item in destinations if not is_spared(bypass, item[1], item[2])]
    missing = [item[3] for item in caught]
    value = quote(",".join([*filter(None, [no_proxy.strip(", ")]), *missing]))
    for subject, host, port, _, alias in caught:
        yield failed(
            f"{' and '.join(proxies)} would get the traffic to {host} port {port}, which NO_PROXY "
            "does not spare",
            subject=subject,
            observed=f"NO_PROXY={no_proxy}",
            expected=f"NO_PROXY names {', '.join(missing)}",
            remedy=f"export NO_PROXY={value} no_proxy={value}",
            alias=alias,
        )
    if not caught:
        spared = ", ".join(item[0] for item in destinations) or "this node"
        yield passed(f"{' and '.join(proxies)} is set, and NO_PROXY spares {spared}")
