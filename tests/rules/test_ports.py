"""The matrix as data: every row is well formed, and right where published tables are wrong."""

from __future__ import annotations

import re

import pytest

from rules.cluster import Role
from rules.cnis import PROFILES
from rules.flows import EVERY_ROLE, KUBELETS, MASTERS, Bind, Flow, Group, Protocol
from rules.ports import ROWS
from rules.version import Version

NETWORKS = [
    flow
    for profile in PROFILES.values()
    for flow in dict.fromkeys(
        row for mode in profile.modes for row in profile.flows_in(mode)
    )
]  # fmt: skip
EVERY_ROW = [*ROWS, *NETWORKS]
BY_ID = {flow.id: flow for flow in EVERY_ROW}


def rows(port: int, protocol: Protocol = Protocol.TCP) -> list[Flow]:
    return [flow for flow in ROWS if flow.ports == (port, port) and flow.protocol is protocol]


@pytest.mark.parametrize("flow", EVERY_ROW, ids=lambda flow: flow.id)
def test_every_row_is_well_formed(flow: Flow) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", flow.id)
    assert re.fullmatch(r"https://[a-z0-9.-]+/\S*", flow.source)
    assert flow.why
    assert not flow.why.endswith(".")
    assert flow.sources
    assert flow.roles
    assert flow.families
    assert flow.families <= {4, 6}
    assert (flow.ports is not None) == flow.protocol.has_ports
    if flow.ports is not None:
        first, last = flow.ports
        assert 1 <= first <= last <= 65535
    assert bool(flow.icmp_types) == (flow.protocol in (Protocol.ICMP, Protocol.ICMPV6))
    assert len(flow.process) <= 15, "as in /proc/PID/comm"
    assert flow.optional == bool(flow.when)
    assert flow.since is None or flow.until is None or flow.since <= flow.until
    assert not (flow.binds and not flow.protocol.has_ports)
    assert Group.SELF not in flow.sources or flow.local
    assert not flow.loopback_only or flow.local


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(EVERY_ROW)


def test_nothing_but_icmp_and_leases_comes_from_anywhere() -> None:
    open_to_all = {flow.component for flow in EVERY_ROW if Group.ANYWHERE in flow.sources}
    assert open_to_all == {"kernel", "DHCP client"}


def test_etcd_takes_no_workers_pods_or_strangers() -> None:
    for flow in ROWS:
        if flow.component == "etcd":
            assert flow.sources <= {Group.SELF, Group.MASTERS, Group.ETCD, Group.MONITORING}
            assert not flow.roles & {Role.WORKER}


def test_the_control_plane_opens_only_what_the_contract_says() -> None:
    opened = {
        flow.id
        for flow in ROWS
        if flow.roles & MASTERS and not flow.optional and not flow.local and flow.protocol.has_ports
    }
    assert opened == {
        "kube-apiserver", "etcd-client", "etcd-peer", "kubelet-api", "kubelet-metrics",
        "kube-proxy-healthz", "control-plane-to-pods", "ssh",
    }  # fmt: skip


def test_metrics_without_authentication_are_for_monitoring_alone() -> None:
    for flow in EVERY_ROW:
        if "metrics over" in flow.why and not flow.local:
            assert flow.sources == {Group.MONITORING}, flow.id
            assert flow.optional


@pytest.mark.parametrize(
    ("port", "protocol", "roles"),
    [
        (6443, Protocol.TCP, MASTERS),
        (10250, Protocol.TCP, KUBELETS),
        (2379, Protocol.TCP, MASTERS | {Role.ETCD}),
        (2380, Protocol.TCP, MASTERS | {Role.ETCD}),
        (2381, Protocol.TCP, MASTERS | {Role.ETCD}),
        (10248, Protocol.TCP, KUBELETS),
        (10249, Protocol.TCP, KUBELETS),
        (10256, Protocol.TCP, KUBELETS),
        (10257, Protocol.TCP, MASTERS),
        (10259, Protocol.TCP, MASTERS),
        (10251, Protocol.TCP, MASTERS),
        (10252, Protocol.TCP, MASTERS),
        (10255, Protocol.TCP, KUBELETS),
        (10258, Protocol.TCP, MASTERS),
        (10260, Protocol.TCP, MASTERS),
        (4194, Protocol.TCP, KUBELETS),
        (8080, Protocol.TCP, MASTERS),
        (22, Protocol.TCP, EVERY_ROLE),
        (53, Protocol.TCP, KUBELETS),
        (53, Protocol.UDP, KUBELETS),
    ],
)
def test_the_ports_of_kubernetes(port: int, protocol: Protocol, roles: frozenset[Role]) -> None:
    found = rows(port, protocol)
    assert frozenset().union(*(flow.roles for flow in found)) == roles


def versions(port: int, *, optional: bool) -> list[tuple[Version | None, Version | None]]:
    return [
        (flow.since, flow.until) for flow in rows(port) if flow.optional == optional and flow.local
    ]


def test_the_retired_ports_end_where_the_program_ended_them() -> None:
    assert versions(10251, optional=False) == [(None, Version(1, 18))]
    assert versions(10251, optional=True) == [(Version(1, 19), Version(1, 22))]
    assert versions(10252, optional=False) == [(None, Version(1, 18))]
    assert versions(10252, optional=True) == [(Version(1, 19), Version(1, 21))]
    assert versions(10259, optional=False) == [(Version(1, 13), None)]
    assert versions(10257, optional=False) == [(Version(1, 12), None)]
    assert versions(8080, optional=True) == [(None, Version(1, 19))]
    assert versions(4194, optional=True) == [(None, Version(1, 11))]
    assert versions(10255, optional=False) == [(None, Version(1, 10))]


def test_every_old_open_port_is_local_here() -> None:
    for port in (8080, 10255, 4194, 10251, 10252):
        assert all(flow.local for flow in rows(port)), port


def test_processes_are_the_kernel_s_names() -> None:
    names = {flow.ports[0]: flow.process for flow in ROWS if flow.ports and flow.binds}
    assert names[6443] == "kube-apiserver"
    assert names[10257] == "kube-controller"
    assert names[10259] == "kube-scheduler"
    assert names[10250] == "kubelet"
    assert names[2379] == "etcd"
    assert names[10256] == "kube-proxy"


class TestPublishedTablesThatAreWrong:
    """Each error of a published table, and what ours says."""

    def test_kubespray_swaps_scheduler_and_controller_manager(self) -> None:
        assert {flow.component for flow in rows(10257)} == {"kube-controller-manager"}
        assert {flow.component for flow in rows(10259)} == {"kube-scheduler"}

    def test_k0s_has_vrrp_as_tcp_port_112(self) -> None:
        vrrp = BY_ID["vrrp"]
        assert (vrrp.protocol.number, vrrp.ports) == (112, None)
        assert not rows(112)

    def test_kubernetes_io_lacked_10256_udp_and_lacks_sctp(self) -> None:
        assert rows(10256)
        ranges = {flow.protocol: flow for flow in ROWS if flow.ports == (30000, 32767)}
        assert set(ranges) == {Protocol.TCP, Protocol.UDP, Protocol.SCTP}
        assert not BY_ID["node-ports-udp"].optional
        assert BY_ID["node-ports-udp"].roles == {Role.WORKER}

    def test_calico_has_flannel_on_4789(self) -> None:
        assert BY_ID["flannel-vxlan"].ports == (8472, 8472)
        default = PROFILES["flannel"].mode("")
        assert default is not None
        assert [flow.id for flow in default.flows] == ["flannel-vxlan"]

    def test_rke2_really_uses_4789_for_flannel_and_8472_for_canal(self) -> None:
        rke2, canal = PROFILES["flannel"].mode("rke2"), PROFILES["canal"].mode("")
        assert rke2 is not None
        assert canal is not None
        assert [flow.label for flow in rke2.flows] == ["4789/udp"]
        assert [flow.label for flow in canal.flows] == ["8472/udp"]

    def test_rke2_lacks_flannels_wireguard(self) -> None:
        mode = PROFILES["flannel"].mode("wireguard")
        assert mode is not None
        assert {(flow.label, *flow.families) for flow in mode.flows} == {
            ("51820/udp", 4),
            ("51821/udp", 6),
        }

    def test_node_ports_are_tcp_only_in_capa_kubespray_and_firewalld(self) -> None:
        assert BY_ID["node-ports-tcp"].but(id="", protocol=Protocol.UDP, why="") == BY_ID[
            "node-ports-udp"
        ].but(id="", why="")

    def test_firewalld_still_opens_10251_and_10252_of_a_control_plane(self) -> None:
        now = [flow for flow in ROWS if flow.applies_to(Version(1, 24)) and flow.ports]
        assert not [flow for flow in now if flow.ports in ((10251, 10251), (10252, 10252))]

    def test_flannel_calls_esp_port_50(self) -> None:
        esp = BY_ID["flannel-esp"]
        assert (esp.protocol.number, esp.ports) == (50, None)

    def test_capa_opens_node_ports_on_masters(self) -> None:
        assert all(
            flow.optional for flow in ROWS if flow.setting == "node_ports" and flow.roles & MASTERS
        )


def test_only_what_a_program_binds_is_bound() -> None:
    for flow in ROWS:
        if flow.setting == "node_ports" or flow.to_pods or flow.id == "ssh":
            assert not flow.binds
    assert BY_ID["etcd-client-own"].bind is Bind.NODE
