from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.finding import Finding, Status
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice, PortNumbers, Role
from tests.nodes import healthy, judge, ports, target
from tests.nodes.ports import listener

CLASH = "nodeport-ephemeral-clash"


def changed(**values: Any) -> Facts:
    return replace(healthy(), ports=replace(ports.healthy(), **values))


def in_range(*found: Any, settings: Settings | None = None) -> list[Finding]:
    facts = changed(listeners=(*ports.LISTENERS, *found))
    return judge("nodeport-range-free", facts, target(Role.WORKER, settings=settings))


@pytest.mark.parametrize(("port", "taken"), [(29999, 0), (30000, 1), (32767, 1), (32768, 0)])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_below_at_and_above_the_ends(port: int, taken: int, protocol: str) -> None:
    held = listener(f"0.0.0.0:{port}", 9, "game", "game.service", protocol=protocol)
    (found,) = in_range(held)
    assert found.status is (Status.WARN if taken else Status.PASS)
    assert found.subject == (f"{port}/{protocol}" if taken else "")
    assert found.remedy == ("systemctl disable --now game.service" if taken else "")


def test_a_range_of_ones_own() -> None:
    settings = Settings(cluster=Cluster(ports=PortNumbers(node_ports=(20000, 20010))))
    (found,) = in_range(listener("0.0.0.0:30000", 9, "game"), settings=settings)
    assert found.status is Status.PASS
    assert found.message == "nobody listens on 20000 to 20010"


def test_each_port_is_a_finding_and_kube_proxy_may() -> None:
    found = in_range(
        listener("0.0.0.0:30001", 9, "game"),
        listener("[::]:30001", 9, "game"),
        listener("127.0.0.1:30002", 9, "game"),
        listener("[::]:32001", 10, "kube-proxy", dual=True),
    )
    assert [each.subject for each in found] == ["30001/tcp", "30002/tcp"]


def test_it_is_judged_on_workers() -> None:
    assert judge("nodeport-range-free", healthy(), target(Role.MASTER)) == []
    unknown = changed(listeners=Unknown("denied", "no"))
    (found,) = judge("nodeport-range-free", unknown, target(Role.WORKER))
    assert found.status is Status.UNKNOWN


@pytest.mark.parametrize("role", list(Role))
def test_the_kernels_default_clashes_with_nothing(role: Role) -> None:
    (found,) = judge(CLASH, healthy(), target(role))
    assert found.status is Status.PASS


@pytest.mark.parametrize(
    ("ephemeral", "reserved", "subject"),
    [
        ((32768, 60999), (), ""),
        ((32767, 60999), (), "32767"),
        ((32000, 60999), (), "32000-32767"),
        ((32000, 60999), ((30000, 32767),), ""),
        ((32000, 60999), ((32000, 32766),), "32767"),
        ((20000, 60999), ((31000, 31000),), "30000-30999,31001-32767"),
        ((20000, 30000), (), "30000"),
        ((20000, 29999), (), ""),
    ],
)
def test_the_range_of_connections(
    ephemeral: tuple[int, int], reserved: tuple[tuple[int, int], ...], subject: str
) -> None:
    facts = changed(ephemeral=ephemeral, reserved=reserved)
    (found,) = judge(CLASH, facts, target(Role.WORKER))
    assert (found.subject, found.status) == (subject, Status.WARN if subject else Status.PASS)


def test_the_remedy_keeps_what_is_reserved() -> None:
    facts = changed(ephemeral=(10000, 65535), reserved=((8080, 8081), (10257, 10257)))
    own, range_ = judge(CLASH, facts, target(Role.MASTER))
    assert "the ports of this role" in own.message
    assert own.subject == "10248-10250,10256,10259"
    assert range_.subject == "30000-32767"
    wanted = "net.ipv4.ip_local_reserved_ports=8080-8081,10248-10250,10256-10257,10259,30000-32767"
    assert own.remedy == range_.remedy
    assert wanted in own.remedy
    assert "/etc/sysctl.d/" in own.remedy


def test_ports_of_the_pod_network_among_connections() -> None:
    settings = Settings(cluster=Cluster(cni=CniChoice("flannel", "wireguard")))
    (found,) = judge(CLASH, healthy(), target(Role.WORKER, settings=settings))
    assert (found.subject, found.status) == ("51820", Status.WARN)


def test_an_etcd_member_has_no_node_ports() -> None:
    (found,) = judge(CLASH, changed(ephemeral=(30000, 60999)), target(Role.ETCD))
    assert found.status is Status.PASS
    found = judge(CLASH, changed(ephemeral=(1024, 60999)), target(Role.ETCD))[0]
    assert found.subject == "2379-2380"


@pytest.mark.parametrize("name", ["ephemeral", "reserved"])
def test_what_is_not_known(name: str) -> None:
    (found,) = judge(CLASH, changed(**{name: Unknown("denied", "no")}))
    assert found.status is Status.UNKNOWN
