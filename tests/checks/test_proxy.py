from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from preflight.checks.proxy import is_spared, parse_no_proxy, split_port
from preflight.facts.model import Facts, Unknown
from preflight.finding import Finding, Status
from preflight.settings import Settings
from rules.cluster import Cluster, Node, Role
from tests.nodes import healthy, judge, system, target

PROXY = "http://proxy.example.net:3128"
CLUSTER = Cluster(
    pod_subnets=(ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56")),
    service_subnets=(ip_network("10.96.0.0/12"), ip_network("fd00:10:96::/112")),
    control_plane_endpoint="api.example.net:8443",
    nodes=(Node("w1", Role.WORKER, (ip_address("192.0.2.21"),)),),
)
SPARING = "192.0.2.0/24,10.96.0.0/12,10.244.0.0/16,fd00:10:244::/56,fd00:10:96::/112,.example.net"


def _with(**environment: str) -> Facts:
    return replace(healthy(), system=replace(system.healthy(), environment=environment))


def _found(facts: Facts, cluster: Cluster = CLUSTER) -> list[Finding]:
    return judge("proxy-bypass", facts, target(settings=Settings(cluster=cluster)))


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "spared"),
    [
        ("", "192.0.2.11", "6443", False),
        ("*", "192.0.2.11", "6443", True),
        ("192.0.2.11", "192.0.2.11", "6443", True),
        ("192.0.2.11:6443", "192.0.2.11", "6443", True),
        ("192.0.2.11:443", "192.0.2.11", "6443", False),
        ("192.0.2.1", "192.0.2.11", "6443", False),
        ("192.0.2.0/24", "192.0.2.11", "6443", True),
        ("192.0.2.0/255.255.255.0", "192.0.2.11", "6443", False),
        (" 192.0.2.99/24 , x", "192.0.2.11", "6443", True),
        ("192.0.2.*", "192.0.2.11", "6443", False),
        ("2001:db8::/32", "2001:db8::1", "6443", True),
        ("2001:db8::1", "2001:db8::1", "6443", True),
        ("[2001:db8::1]:6443", "2001:db8::1", "6443", True),
        ("2001:db8::/32", "192.0.2.11", "6443", False),
        ("example.net", "example.net", "443", True),
        ("example.net", "api.example.net", "443", True),
        (".example.net", "api.example.net", "443", True),
        (".example.net", "example.net", "443", False),
        ("*.example.net", "api.example.net", "443", True),
        ("*.example.net", "example.net", "443", False),
        ("EXAMPLE.net", "API.example.NET", "443", True),
        ("example.net:8443", "api.example.net", "443", False),
        ("ample.net", "example.net", "443", False),
        ("", "localhost", "6443", True),
        ("", "127.0.0.1", "6443", True),
        ("", "::1", "6443", True),
        (",,:443,.,/", "192.0.2.11", "6443", False),
    ],
)
def test_no_proxy_is_read_as_go_reads_it(no_proxy: str, host: str, port: str, spared: bool) -> None:
    assert is_spared(parse_no_proxy(no_proxy), host, port) is spared


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("api.example.net:6443", ("api.example.net", "6443")),
        ("api.example.net", ("api.example.net", "")),
        ("[2001:db8::1]:6443", ("2001:db8::1", "6443")),
        ("2001:db8::1", ("2001:db8::1", "")),
        ("", ("", "")),
    ],
)
def test_hosts_and_ports(text: str, parts: tuple[str, str]) -> None:
    assert split_port(text) == parts


def test_without_a_proxy_there_is_nothing_to_spare() -> None:
    (found,) = _found(_with(no_proxy="example.org"))
    assert found.status is Status.PASS


@pytest.mark.parametrize(
    "environment",
    [
        {"HTTPS_PROXY": PROXY, "NO_PROXY": SPARING},
        {"https_proxy": PROXY, "no_proxy": SPARING},
        {"ALL_PROXY": PROXY, "no_proxy": "*"},
    ],
)
def test_a_proxy_that_spares_the_cluster_passes(environment: dict[str, str]) -> None:
    (found,) = _found(_with(**environment))
    assert found.status is Status.PASS


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_without_exceptions_catches_everything(name: str) -> None:
    found = _found(_with(**{name: PROXY}))
    assert {item.status for item in found} == {Status.WARN}
    assert {(item.subject, *item.aliases) for item in found} == {
        ("node 192.0.2.11", "HTTPProxy"),
        ("node 192.0.2.21", "HTTPProxy"),
        ("API endpoint api.example.net", "HTTPProxy"),
        ("service range 10.96.0.0/12", "HTTPProxyCIDR"),
        ("service range fd00:10:96::/112", "HTTPProxyCIDR"),
        ("pod range 10.244.0.0/16", "HTTPProxyCIDR"),
        ("pod range fd00:10:244::/56", "HTTPProxyCIDR"),
    }


def test_the_remedy_adds_what_is_missing() -> None:
    facts = _with(HTTPS_PROXY=PROXY, NO_PROXY=SPARING.replace("10.96.0.0/12,", ""))
    (found,) = _found(facts)
    assert found.subject == "service range 10.96.0.0/12"
    wanted = f"{SPARING.replace('10.96.0.0/12,', '')},10.96.0.0/12"
    assert found.remedy == f"export NO_PROXY={wanted} no_proxy={wanted}"


def test_capitals_beat_small_letters_and_nothing_is_run() -> None:
    facts = _with(HTTPS_PROXY=PROXY, NO_PROXY="$(reboot)", no_proxy="*")
    found = _found(facts)
    assert found[0].status is Status.WARN
    assert "NO_PROXY='$(reboot)," in found[0].remedy


def test_a_single_address_is_a_range_too() -> None:
    cluster = Cluster(service_subnets=(ip_network("10.96.0.1/32"),))
    found = _found(_with(HTTPS_PROXY=PROXY, NO_PROXY="192.0.2.11"), cluster)
    assert [item.subject for item in found] == ["service range 10.96.0.1/32"]


def test_unknown_facts_are_unknown() -> None:
    (found,) = _found(replace(healthy(), system=Unknown("failed", "broke")))
    assert found.status is Status.UNKNOWN
