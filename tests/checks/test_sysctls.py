from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.facts.model import Facts, known
from preflight.facts.model.network import Route
from preflight.finding import Status
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice
from rules.version import Version
from tests.checks.kernels import (
    bridge_settings_gone,
    modules,
    pod_network,
    verdicts,
    with_kernel,
    with_sysctls,
)
from tests.nodes import healthy, judge, kernel, target

DUAL: dict[str, Any] = {
    "pod_subnets": (ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56"))
}
SIX: dict[str, Any] = {
    "pod_subnets": (ip_network("fd00:10:244::/56"),),
    "service_subnets": (ip_network("fd00:10:96::/112"),),
}


@pytest.mark.parametrize(
    ("value", "status"),
    [("1", Status.PASS), ("0", Status.FAIL), ("2", Status.FAIL), (None, Status.UNKNOWN)],
)
def test_ip_forward(value: str | None, status: Status) -> None:
    (found,) = judge("ip-forward", with_sysctls(net__ipv4__ip_forward=value))
    assert found.status is status


def test_the_remedy_sets_it_now_and_keeps_it() -> None:
    (found,) = judge("ip-forward", with_sysctls(net__ipv4__ip_forward="0"))
    assert found.remedy == (
        "printf '%s\\n' '' 'net.ipv4.ip_forward = 1' >> /etc/sysctl.d/99-kubernetes.conf "
        "&& sysctl -w net.ipv4.ip_forward=1"
    )


def test_a_refused_setting_is_unknown() -> None:
    facts = with_kernel(sysctls={}, sysctls_denied=("net.ipv4.ip_forward",))
    assert judge("ip-forward", facts)[0].status is Status.UNKNOWN


def test_an_ipv6_cluster_needs_no_ipv4_forwarding() -> None:
    facts = with_sysctls(net__ipv4__ip_forward="0")
    (found,) = judge("ip-forward", facts, target(settings=pod_network("bridge", **SIX)))
    assert found.status is Status.SKIP


def test_ipv6_forwarding_matters_where_ipv6_is_used() -> None:
    facts = with_sysctls(net__ipv6__conf__all__forwarding="0")
    assert judge("ipv6-forward", facts) == []
    found = judge("ipv6-forward", facts, target(settings=pod_network("bridge", **DUAL)))
    assert verdicts(found) == {
        "net.ipv6.conf.all.forwarding": "fail",
        "net.ipv6.conf.default.forwarding": "pass",
    }


def test_an_address_of_the_node_alone_makes_ipv6_used() -> None:
    settings = Settings(node_ips=(ip_address("2001:db8::11"),))
    assert len(judge("ipv6-forward", healthy(), target(settings=settings))) == 2


def test_a_kernel_without_ipv6_is_for_another_check() -> None:
    facts = with_sysctls(
        net__ipv6__conf__all__forwarding=None, net__ipv6__conf__default__forwarding=None
    )
    found = judge("ipv6-forward", facts, target(settings=pod_network("bridge", **DUAL)))
    assert set(verdicts(found).values()) == {"skip"}


def with_advertised_route(facts: Facts) -> Facts:
    route = Route(ip_network("::/0"), "eth0", protocol="ra", metric=1024)
    network = known(facts.network)
    routes = (*known(network.routes), route)
    return replace(facts, network=replace(network, routes=routes))


@pytest.mark.parametrize(("accept", "status"), [("1", "warn"), ("2", None), ("0", None)])
def test_a_route_by_advertisement_wants_accept_ra_2(accept: str, status: str | None) -> None:
    facts = with_advertised_route(with_sysctls(net__ipv6__conf__eth0__accept_ra=accept))
    found = judge("ipv6-forward", facts, target(settings=pod_network("bridge", **DUAL)))
    assert verdicts(found).get("eth0") == status


def test_bridge_settings_for_each_family_in_use() -> None:
    facts = with_sysctls(**{"net__bridge__bridge-nf-call-ip6tables": "0"})
    assert verdicts(judge("bridge-nf-call", facts)) == {
        "net.bridge.bridge-nf-call-iptables": "pass"
    }
    found = judge("bridge-nf-call", facts, target(settings=pod_network("bridge", **DUAL)))
    assert verdicts(found) == {
        "net.bridge.bridge-nf-call-iptables": "pass",
        "net.bridge.bridge-nf-call-ip6tables": "fail",
    }
    six = next(finding for finding in found if finding.status is Status.FAIL)
    assert six.aliases == ("FileContent--proc-sys-net-bridge-bridge-nf-call-ip6tables",)
    assert "Services" in six.message


def test_a_module_that_is_only_not_loaded_is_found_here() -> None:
    facts = with_kernel(
        sysctls=bridge_settings_gone(), modules=modules("br_netfilter", state="loadable")
    )
    (found,) = judge("bridge-nf-call", facts)
    assert (found.subject, found.status) == ("br_netfilter", Status.FAIL)
    assert found.remedy.startswith("modprobe -a br_netfilter")
    assert verdicts(judge("kernel-modules", facts)) == {"": "pass"}


def test_a_module_that_is_missing_is_found_by_kernel_modules() -> None:
    facts = with_kernel(
        sysctls=bridge_settings_gone(),
        modules=modules("br_netfilter", state="absent", evidence="no index"),
    )
    (found,) = judge("bridge-nf-call", facts)
    assert found.status is Status.SKIP
    assert verdicts(judge("kernel-modules", facts))["br_netfilter"] == "fail"


@pytest.mark.parametrize(("minor", "status"), [(29, Status.FAIL), (30, Status.SKIP)])
def test_other_pod_networks_need_it_only_for_old_kubeadm(minor: int, status: Status) -> None:
    facts = with_sysctls(**{"net__bridge__bridge-nf-call-iptables": "0"})
    settings = Settings(cluster=Cluster(cni=CniChoice("calico")))
    (found,) = judge("bridge-nf-call", facts, target(version=Version(1, minor), settings=settings))
    assert found.status is status


def test_a_refused_bridge_setting_is_unknown() -> None:
    facts = with_kernel(
        sysctls=bridge_settings_gone(), sysctls_denied=("net.bridge.bridge-nf-call-iptables",)
    )
    assert judge("bridge-nf-call", facts)[0].status is Status.UNKNOWN


def test_settings_of_an_interface_with_a_dot_in_its_name() -> None:
    assert known(kernel.healthy().sysctl("net.ipv4.conf.eth0/100.rp_filter")) is None
