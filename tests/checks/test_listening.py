from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.identity import Privileges
from preflight.facts.model.ports import Listener
from preflight.finding import Finding, Status
from preflight.settings import Settings
from preflight.target import Phase
from rules.cluster import Cluster, CniChoice, Role
from tests.nodes import healthy, judge, ports, target
from tests.nodes.ports import MASTER, listener

FLANNEL = Settings(cluster=Cluster(cni=CniChoice("flannel")))
DUAL = Settings(cluster=Cluster(pod_subnets=(ip_network("10.1.0.0/16"), ip_network("fd00::/56"))))
V6 = Settings(
    cluster=Cluster(
        pod_subnets=(ip_network("fd00::/56"),), service_subnets=(ip_network("fd01::/112"),)
    )
)


def running(*listeners: Listener, without: tuple[int, ...] = ()) -> Facts:
    """A master on which these listen in place of those on the same port, and of ``without``."""
    gone = {*without, *(each.port for each in listeners)}
    kept = (each for each in MASTER if each.port not in gone)
    return replace(
        healthy(), ports=replace(ports.running(), listeners=(*ports.LISTENERS, *kept, *listeners))
    )


def unfit(facts: Facts, role: Role = Role.MASTER, **wanted: Any) -> list[Finding]:
    found = judge("port-listening", facts, target(role, phase=Phase.AFTER, **wanted))
    return [each for each in found if each.status is not Status.PASS]


@pytest.mark.parametrize("role", list(Role))
def test_a_running_node(role: Role) -> None:
    found = judge("port-listening", running(), target(role, phase=Phase.AFTER))
    assert {each.status for each in found} == {Status.PASS}


def test_it_is_judged_after_kubeadm_only() -> None:
    assert judge("port-listening", healthy(), target()) == []


def test_nobody_listens() -> None:
    (found,) = unfit(running(without=(6443,)))
    assert (found.subject, found.status) == ("6443/tcp", Status.FAIL)
    assert "crictl ps -a --name kube-apiserver" in found.remedy
    found = next(each for each in unfit(running(without=(10250, 10248))) if "10250" in each.subject)
    assert "journalctl -u kubelet.service" in found.remedy


def test_a_second_port_of_a_component_that_listens_is_a_warning() -> None:
    (found,) = unfit(running(without=(10248,)))
    assert (found.subject, found.status) == ("10248/tcp", Status.WARN)
    both = unfit(running(without=(10248, 10250)))
    assert {each.status for each in both} == {Status.FAIL}
    (found,) = unfit(running(without=(10259,)))
    assert (found.subject, found.status) == ("10259/tcp", Status.FAIL)


def test_the_wrong_program() -> None:
    held = listener("[::]:6443", 812, "haproxy", "haproxy.service", dual=True)
    (found,) = unfit(running(held))
    assert (found.subject, found.status) == ("6443/tcp", Status.FAIL)
    assert found.message == (
        "haproxy (process 812, haproxy.service) listens on [::]:6443 instead of kube-apiserver"
    )


def test_a_load_balancer_beside_the_api_server() -> None:
    both = (
        listener("192.0.2.100:6443", 812, "haproxy", "haproxy.service"),
        listener("192.0.2.11:6443", 9, "kube-apiserver"),
    )
    assert unfit(running(*both)) == []


def test_only_where_no_peer_reaches_it() -> None:
    (found,) = unfit(running(listener("127.0.0.1:10250", 9, "kubelet")))
    assert (found.subject, found.status) == ("10250/tcp", Status.FAIL)
    assert found.message == (
        "kubelet listens only on 127.0.0.1:10250, where no other machine reaches it (masters)"
    )
    assert "/var/lib/kubelet/config.yaml" in found.remedy


def test_etcd_of_one_master_needs_no_peer_and_of_several_does() -> None:
    facts = running(*(listener(f"127.0.0.1:{port}", 9, "etcd") for port in (2379, 2380)))
    assert unfit(facts) == []
    found = unfit(facts, Role.MULTI_MASTER)
    assert [each.subject for each in found] == ["2379/tcp", "2380/tcp"]


def test_what_only_load_balancers_need_is_a_warning() -> None:
    (found,) = unfit(running(listener("127.0.0.1:10256", 9, "kube-proxy")))
    assert (found.subject, found.status) == ("10256/tcp", Status.WARN)


def test_the_wrong_family() -> None:
    v4 = tuple(
        listener(f"0.0.0.0:{each.port}", each.pid, each.process) for each in MASTER if each.dual
    )
    assert unfit(running(*v4)) == []
    # One family is enough to reach a node of two.
    assert unfit(running(*v4), settings=DUAL) == []
    found = unfit(running(*v4), settings=V6)
    assert {"6443/tcp", "10250/tcp"} <= {each.subject for each in found}
    assert "over IPv6" in found[0].message


def test_another_address_than_the_nodes_own() -> None:
    (found,) = unfit(running(listener("10.9.8.7:10250", 9, "kubelet")))
    assert found.status is Status.WARN
    assert found.message.endswith("10.9.8.7:10250, and this node is known as 192.0.2.11")


def test_a_tunnel_of_the_kernel() -> None:
    tunnel = listener("0.0.0.0:8472", None, protocol="udp", kernel=True)
    assert unfit(running(tunnel), settings=FLANNEL) == []
    (found,) = unfit(running(), settings=FLANNEL)
    assert (found.subject, found.status) == ("8472/udp", Status.FAIL)
    assert "flannel's tunnel in the kernel should" in found.message
    (found,) = unfit(running(listener("0.0.0.0:8472", 9, "nc", protocol="udp")), settings=FLANNEL)
    assert found.message.startswith("nc (process 9) listens on 0.0.0.0:8472 instead of flannel's")
    assert found.remedy == "kill 9"


def test_without_root_nobody_can_tell_who_it_is() -> None:
    everyone = tuple(replace(each, pid=None, process="", unit="") for each in MASTER)
    tunnel = listener("0.0.0.0:8472", None, protocol="udp")
    facts = replace(running(*everyone, tunnel), privileges=Privileges(1000, 0))
    found = unfit(facts, settings=FLANNEL)
    assert {each.status for each in found} == {Status.UNKNOWN}
    assert {each.remedy for each in found} == {"run nodeprep as root"}
    assert "8472/udp" in {each.subject for each in found}


def test_nothing_is_known() -> None:
    unknown = Unknown("denied", "no")
    (found,) = unfit(replace(healthy(), ports=unknown))
    assert found.status is Status.UNKNOWN
    (found,) = unfit(replace(healthy(), ports=replace(ports.running(), listeners=unknown)))
    assert found.status is Status.UNKNOWN
