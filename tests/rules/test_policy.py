"""The policy of every role, network, version and etcd layout."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.cluster import Cluster, CniChoice, PortNumbers, Role
from rules.cnis import PROFILES
from rules.errors import UsageError
from rules.flows import Flow, Group
from rules.policy import Policy, policy
from rules.version import NEWEST, Version

V4, V6 = ip_network("10.96.0.0/12"), ip_network("fd00:96::/112")
FAMILIES = {(4,): (V4,), (6,): (V6,), (4, 6): (V4, V6)}
CHOICES = [
    CniChoice(profile.name, mode.name) for profile in PROFILES.values() for mode in profile.modes
]

clusters = st.builds(
    Cluster,
    kubernetes_version=st.builds(Version, st.just(1), st.integers(16, 37)),
    service_subnets=st.sampled_from(list(FAMILIES.values())),
    cni=st.sampled_from(CHOICES),
    proxy_mode=st.sampled_from(["iptables", "ipvs", "nftables"]),
    external_etcd=st.booleans(),
    ports=st.builds(
        PortNumbers,
        api_server=st.sampled_from([443, 6443, 8443]),
        node_ports=st.sampled_from([(30000, 32767), (20000, 22767)]),
    ),
)


def labels(flows: tuple[Flow, ...]) -> list[str]:
    return [flow.label for flow in flows]


def bound(role: Role, cluster: Cluster | None = None) -> dict[str, str]:
    return {flow.label: flow.process for flow in policy(role, cluster or Cluster()).bound}


def packets(flow: Flow) -> set[tuple[object, ...]]:
    return {
        (flow.protocol, flow.ports, flow.icmp_types, flow.to_pods, group, family)
        for group in flow.sources
        for family in flow.families
    }


@given(role=st.sampled_from(list(Role)), cluster=clusters, proxy_disabled=st.booleans())
def test_every_policy_is_sound(role: Role, cluster: Cluster, proxy_disabled: bool) -> None:
    made = policy(role, cluster, proxy_disabled=proxy_disabled)
    assert (made.role, made.cluster) == (role, cluster)
    for flow in (*made.flows, *made.optional):
        assert flow.roles == {role}
        assert flow.applies_to(cluster.kubernetes_version)
        assert flow.families
        assert flow.loopback_only or flow.families <= set(cluster.families)
        assert flow.setting != "api_server" or flow.ports == (cluster.ports.api_server,) * 2
        assert flow.setting != "node_ports" or flow.ports == cluster.ports.node_ports
    for flow in made.admitted:
        assert flow.sources
        assert Group.SELF not in flow.sources
        assert not flow.loopback_only
        assert Group.ANYWHERE not in flow.sources or flow.icmp_types
    assert {*made.admitted, *made.forwarded, *made.local} == {*made.flows}
    assert all(flow.optional for flow in made.optional)
    assert not any(flow.optional for flow in made.flows)
    for one, other in combinations(made.flows, 2):
        assert not packets(one) & packets(other), (one.id, other.id)


@given(role=st.sampled_from(list(Role)), cluster=clusters)
def test_what_is_bound_is_a_port_that_is_also_a_flow(role: Role, cluster: Cluster) -> None:
    made = policy(role, cluster)
    assert set(made.bound) <= set(made.flows)
    taken = [(flow.protocol, flow.ports) for flow in made.bound]
    assert len(taken) == len(set(taken))
    # One program at least for every port that is open to others and not a range or a tunnel.
    assert all(flow.binds and flow.ports for flow in made.bound)


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: f"{choice.name}-{choice.mode}")
def test_optional_rows_double_nothing_when_they_are_wanted(choice: CniChoice) -> None:
    for role in Role:
        plain = policy(role, Cluster(cni=choice))
        wanted = policy(role, Cluster(cni=choice), wanted=[flow.id for flow in plain.optional])
        assert not wanted.optional
        assert {flow.id for flow in wanted.flows} == {
            flow.id for flow in (*plain.flows, *plain.optional)
        }


def test_master_with_its_own_etcd() -> None:
    made = policy(Role.MASTER, Cluster())
    assert bound(Role.MASTER) == {
        "6443/tcp": "kube-apiserver",
        "2379/tcp": "etcd",
        "2380/tcp": "etcd",
        "2381/tcp": "etcd",
        "10257/tcp": "kube-controller",
        "10259/tcp": "kube-scheduler",
        "10250/tcp": "kubelet",
        "10248/tcp": "kubelet",
        "10256/tcp": "kube-proxy",
        "10249/tcp": "kube-proxy",
    }
    assert not {"2379/tcp", "2380/tcp"} & set(labels(made.admitted))
    loopback = {flow.label for flow in made.bound if flow.loopback_only}
    assert loopback == {"2381/tcp", "10257/tcp", "10259/tcp", "10248/tcp", "10249/tcp"}


def test_several_masters_replicate_among_themselves_only() -> None:
    made = policy(Role.MULTI_MASTER, Cluster())
    etcd = {flow.label: flow.sources for flow in made.admitted if flow.component == "etcd"}
    assert etcd == {"2379/tcp": {Group.MASTERS}, "2380/tcp": {Group.MASTERS}}


@pytest.mark.parametrize("role", [Role.MASTER, Role.MULTI_MASTER])
def test_with_an_external_etcd_masters_have_none(role: Role) -> None:
    cluster = Cluster(external_etcd=True)
    assert not {"2379/tcp", "2380/tcp", "2381/tcp"} & set(bound(role, cluster))
    assert not any(flow.component == "etcd" for flow in policy(role, cluster).admitted)


def test_an_etcd_member_has_etcd_and_a_way_in() -> None:
    made = policy(Role.ETCD, Cluster(external_etcd=True))
    assert bound(Role.ETCD) == {"2379/tcp": "etcd", "2380/tcp": "etcd"}
    assert {flow.label: flow.sources for flow in made.admitted if flow.ports} == {
        "2379/tcp": {Group.MASTERS, Group.ETCD},
        "2380/tcp": {Group.ETCD},
        "22/tcp": {Group.ADMINS},
    }


def test_worker() -> None:
    made = policy(Role.WORKER, Cluster())
    assert bound(Role.WORKER) == {
        "10250/tcp": "kubelet",
        "10248/tcp": "kubelet",
        "10256/tcp": "kube-proxy",
        "10249/tcp": "kube-proxy",
    }
    assert {"30000-32767/tcp", "30000-32767/udp"} <= set(labels(made.admitted))
    assert "30000-32767/sctp" in labels(made.optional)
    assert "6443/tcp" not in labels(made.flows)


def test_node_ports_of_masters_are_opened_only_when_asked_for() -> None:
    assert "30000-32767/tcp" not in labels(policy(Role.MASTER, Cluster()).flows)
    wanted = policy(Role.MASTER, Cluster(), wanted=["node-ports-tcp-masters"])
    assert "30000-32767/tcp" in labels(wanted.admitted)


@pytest.mark.parametrize(
    ("made", "proxied"),
    [
        (policy(Role.WORKER, Cluster()), True),
        (policy(Role.WORKER, Cluster(), proxy_disabled=True), False),
        (policy(Role.WORKER, Cluster(cni=CniChoice("nsx-ncp"))), False),
        (policy(Role.WORKER, Cluster(cni=CniChoice("gke", "dataplane-v2"))), False),
        (policy(Role.WORKER, Cluster(cni=CniChoice("gke"))), True),
    ],
)
def test_kube_proxy_s_ports_need_kube_proxy(made: Policy, proxied: bool) -> None:
    assert ("10256/tcp" in labels(made.admitted)) == proxied
    assert ("10249/tcp" in labels(made.local)) == proxied


def test_the_version_given_beats_the_cluster_s() -> None:
    old = policy(Role.MASTER, Cluster(kubernetes_version=NEWEST), version=Version(1, 18, 20))
    assert {"10251/tcp", "10252/tcp", "10257/tcp", "10259/tcp"} <= set(labels(old.local))
    assert "10251/tcp" not in labels(policy(Role.MASTER, Cluster()).flows)
    middle = policy(Role.MASTER, Cluster(kubernetes_version=Version(1, 22)))
    assert "10251/tcp" in labels(middle.optional)
    assert "10252/tcp" not in labels((*middle.flows, *middle.optional))


def test_icmp_follows_the_families() -> None:
    def kinds(families: tuple[int, ...]) -> set[str]:
        made = policy(Role.WORKER, Cluster(service_subnets=FAMILIES[families]))
        return {flow.protocol.value for flow in made.admitted if flow.icmp_types}

    assert kinds((4,)) == {"icmp"}
    assert kinds((6,)) == {"icmpv6"}
    assert kinds((4, 6)) == {"icmp", "icmpv6"}


def test_wireguard_has_a_port_for_each_family() -> None:
    choice = CniChoice("flannel", "wireguard")
    dual = policy(Role.WORKER, Cluster(cni=choice, service_subnets=(V4, V6)))
    single = policy(Role.WORKER, Cluster(cni=choice))
    assert {"51820/udp", "51821/udp"} <= set(labels(dual.bound))
    assert "51821/udp" not in labels(single.flows)
    assert {flow.process for flow in dual.bound if flow.protocol.value == "udp"} == {""}


def test_what_goes_to_pods_is_forwarded_and_not_admitted() -> None:
    made = policy(Role.WORKER, Cluster())
    assert [flow.id for flow in made.forwarded] == ["control-plane-to-pods"]
    assert "control-plane-to-pods" not in {flow.id for flow in made.admitted}


def test_monitoring_may_read_the_kubelet_only_unless_asked_for() -> None:
    made = policy(Role.MULTI_MASTER, Cluster(cni=CniChoice("cilium")))
    read = {flow.label for flow in made.admitted if Group.MONITORING in flow.sources}
    assert read == {"10250/tcp"}


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(UsageError, match="flannel"):
        policy(Role.WORKER, Cluster(cni=CniChoice("flanel")))
