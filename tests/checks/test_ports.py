from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.identity import Privileges
from preflight.facts.model.ports import BindProbe, Listener
from preflight.finding import Finding, Status
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice, PortNumbers, Role
from rules.version import Version
from tests.nodes import healthy, judge, network, ports, target
from tests.nodes.ports import listener

FLANNEL = Settings(cluster=Cluster(cni=CniChoice("flannel")))
API_AT = Settings(bind_addresses=(("kube-apiserver", ip_address("192.0.2.11")),))


def with_listeners(*listeners: Listener, **changes: Any) -> Facts:
    facts = ports.healthy()
    return replace(
        healthy(), ports=replace(facts, listeners=(*ports.LISTENERS, *listeners), **changes)
    )


def with_probe(*probes: BindProbe) -> Facts:
    return with_listeners(bind_probes=probes)


def unfit(facts: Facts, **wanted: Any) -> list[Finding]:
    found = judge("port-free", facts, target(**wanted))
    return [each for each in found if each.status is not Status.PASS]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("settings", [Settings(), FLANNEL])
def test_free_for_every_role(role: Role, settings: Settings) -> None:
    found = judge("port-free", healthy(), target(role, settings=settings))
    assert {each.status for each in found} == {Status.PASS}
    assert len({each.subject for each in found}) == len(found)


def test_each_port_is_a_finding_with_kubeadms_name() -> None:
    found = {each.subject: each.aliases for each in judge("port-free", healthy())}
    assert found["6443/tcp"] == ("Port-6443",)
    assert found["10250/tcp"] == ("Port-10250",)
    assert {"2379/tcp", "2380/tcp", "10257/tcp", "10259/tcp"} <= found.keys()
    # Nobody binds it by default.
    assert "10255/tcp" not in found


@pytest.mark.parametrize(
    "held",
    [
        listener("0.0.0.0:6443", 812, "haproxy", "haproxy.service"),
        listener("[::]:6443", 812, "haproxy", "haproxy.service"),
        listener("[::]:6443", 812, "haproxy", "haproxy.service", dual=True),
        listener("127.0.0.1:6443", 812, "haproxy", "haproxy.service"),
        listener("[2001:db8::5]:6443", 812, "haproxy", "haproxy.service"),
    ],
    ids=str,
)
def test_taken(held: Listener) -> None:
    (found,) = unfit(with_listeners(held))
    assert (found.subject, found.status) == ("6443/tcp", Status.FAIL)
    assert "haproxy (process 812, haproxy.service) listens on " in found.message
    assert found.remedy == "systemctl disable --now haproxy.service"


def test_another_port_or_protocol_is_not_in_the_way() -> None:
    facts = with_listeners(
        listener("0.0.0.0:6443", 812, "dnsmasq", protocol="udp"), listener("0.0.0.0:6444", 812)
    )
    assert unfit(facts) == []


def test_v4_and_v6_of_one_program_are_one_finding() -> None:
    v4, v6 = (listener(place, 7, "x") for place in ("0.0.0.0:10250", "[::]:10250"))
    (found,) = unfit(with_listeners(v4, v6), role=Role.WORKER)
    assert found.message == (
        "x (process 7) listens on 0.0.0.0:10250 and [::]:10250, and kubelet needs it"
    )
    assert found.remedy == "kill 7"


def test_a_configured_port_counts() -> None:
    settings = Settings(cluster=Cluster(ports=PortNumbers(api_server=8443)))
    facts = with_listeners(listener("0.0.0.0:6443", 7, "x"), listener("0.0.0.0:8443", 8, "y"))
    (found,) = unfit(facts, settings=settings)
    assert (found.subject, found.aliases) == ("8443/tcp", ("Port-8443",))


# Where the component binds one address, and which kubeadm asks for more.
@pytest.mark.parametrize(
    ("place", "version", "settings", "subject"),
    [
        # The API server binds every address, whatever kubeadm tries.
        ("192.0.2.100:6443", Version(1, 37), Settings(), "6443/tcp"),
        ("192.0.2.100:6443", Version(1, 37), API_AT, ""),
        ("192.0.2.11:6443", Version(1, 37), API_AT, "6443/tcp"),
        ("0.0.0.0:6443", Version(1, 37), API_AT, "6443/tcp"),
        ("192.0.2.100:6443", Version(1, 36, 9), API_AT, "6443/tcp"),
        # The scheduler binds loopback.
        ("192.0.2.11:10259", Version(1, 36), Settings(), "10259/tcp"),
        ("192.0.2.11:10259", Version(1, 37), Settings(), ""),
        ("127.0.0.1:10259", Version(1, 37), Settings(), "10259/tcp"),
        ("[::]:10259", Version(1, 37), Settings(), "10259/tcp"),
        # etcd binds the node's address and loopback.
        ("192.0.2.100:2379", Version(1, 36), Settings(), "2379/tcp"),
        ("192.0.2.100:2379", Version(1, 37), Settings(), ""),
        ("192.0.2.11:2379", Version(1, 37), Settings(), "2379/tcp"),
        # kubeadm never tries these.
        ("192.0.2.11:10248", Version(1, 30), Settings(), ""),
        ("127.0.0.1:10248", Version(1, 30), Settings(), "10248/tcp"),
        ("0.0.0.0:2381", Version(1, 37), Settings(), "2381/tcp"),
    ],
)
def test_only_the_address_that_is_needed(
    place: str, version: Version, settings: Settings, subject: str
) -> None:
    found = unfit(with_listeners(listener(place, 7, "x")), version=version, settings=settings)
    assert [each.subject for each in found] == ([subject] if subject else [])


def test_an_address_that_is_not_needed_is_said() -> None:
    facts = with_listeners(listener("192.0.2.100:6443", 7, "haproxy"))
    (found,) = (
        each
        for each in judge("port-free", facts, target(settings=API_AT))
        if each.subject == "6443/tcp"
    )
    assert found.message.startswith("192.0.2.100:6443 is in use, which is not where")
    (found,) = unfit(facts, version=Version(1, 30), settings=API_AT)
    assert "kubeadm 1.30 wants the port to be free on every address" in found.message


def test_a_tunnel_that_an_earlier_pod_network_left() -> None:
    left = listener("0.0.0.0:8472", None, protocol="udp", kernel=True)
    facts = with_listeners(left)
    (found,) = unfit(facts, settings=FLANNEL)
    assert found.subject == "8472/udp"
    assert found.message.startswith("the kernel (a tunnel device) listens on 0.0.0.0:8472")
    device = replace(network.eth0(), name="flannel.1", kind="vxlan", hardware=False)
    facts = replace(facts, network=replace(network.healthy(), interfaces=(network.eth0(), device)))
    (found,) = unfit(facts, settings=FLANNEL)
    assert found.remedy == "ip link delete flannel.1"
    # With the bridge plugin nobody needs the port.
    assert unfit(facts) == []


def test_a_tunnel_binds_only_the_families_that_it_carries() -> None:
    taken = with_listeners(listener("[::]:8472", 7, "x", protocol="udp"))
    assert unfit(taken, settings=FLANNEL) == []
    cluster = Cluster(cni=CniChoice("flannel"), pod_subnets=(ip_network("fd00::/56"),))
    assert len(unfit(taken, settings=Settings(cluster=cluster))) == 1
    dual = with_listeners(listener("[::]:8472", 7, "x", protocol="udp", dual=True))
    assert len(unfit(dual, settings=FLANNEL)) == 1


@pytest.mark.parametrize(
    ("held", "remedy"),
    [
        (("kubelet", "kubelet.service"), "kubeadm reset"),
        (("kubelite", "snap.microk8s.daemon-kubelite.service"), "snap remove --purge microk8s"),
        (("x", "docker-0123456789abcdef.scope"), "docker stop 0123456789ab"),
        (("x", "cri-containerd-0123456789abcdef.scope"), "crictl stop 0123456789ab"),
        (("docker-proxy", "docker.service"), "docker stop $(docker ps -q --filter publish=10250)"),
        (("x", "user@1000.service"), "kill 7"),
        (("x", "session-3.scope"), "kill 7"),
        (("x", "-x; reboot.service"), "systemctl disable --now '-x; reboot.service'"),
    ],
)
def test_what_ends_it(held: tuple[str, str], remedy: str) -> None:
    (found,) = unfit(with_listeners(listener("0.0.0.0:10250", 7, *held)), role=Role.WORKER)
    assert found.remedy == remedy


def test_a_socket_that_systemd_holds_for_a_service() -> None:
    held = listener("[::]:10250", 1, "systemd", "init.scope", dual=True)
    (found,) = unfit(with_listeners(held), role=Role.WORKER)
    assert "systemctl list-sockets" in found.remedy
    assert ":10250$/" in found.remedy


def test_an_etcd_member_that_runs_already() -> None:
    held = listener("192.0.2.11:2379", 7, "etcd", "etcd.service")
    (found,) = unfit(with_listeners(held), role=Role.ETCD)
    assert found.remedy.endswith("nodeprep check --role etcd --phase after")
    (found,) = unfit(with_listeners(held), role=Role.MULTI_MASTER)
    assert found.remedy == "systemctl disable --now etcd.service"


def test_without_root_the_listener_is_seen_and_its_owner_is_not() -> None:
    held = listener("0.0.0.0:6443", None)
    facts = replace(with_listeners(held), privileges=Privileges(1000, 0))
    (found,) = unfit(facts)
    assert found.status is Status.FAIL
    assert found.message.startswith("a process of another user listens on")
    assert found.remedy.startswith("as root, find its owner with: ss -ltnp")
    (found,) = unfit(with_listeners(held))
    assert found.message.startswith("a process that cannot be seen from here")


def test_in_use_without_a_listener() -> None:
    (found,) = unfit(with_probe(BindProbe("tcp", 4, 6443, "EADDRINUSE")))
    assert (found.subject, found.status) == ("6443/tcp", Status.FAIL)
    assert found.remedy.endswith("ss -tanp 'sport = :6443'")


@pytest.mark.parametrize("error", ["EACCES", "EPERM"])
def test_refused_permission_is_unknown_and_not_in_use(error: str) -> None:
    (found,) = unfit(with_probe(*(BindProbe("tcp", family, 6443, error) for family in (4, 6))))
    assert (found.subject, found.status) == ("6443/tcp", Status.UNKNOWN)
    assert found.message == "it could not be tried on IPv4: permission was refused"
    assert found.remedy == "run nodeprep as root"


def test_another_error_is_unknown_by_its_name() -> None:
    (found,) = unfit(with_probe(BindProbe("tcp", 4, 6443, "ENOBUFS")))
    assert found.status is Status.UNKNOWN
    assert "ENOBUFS" in found.message


@pytest.mark.parametrize("error", ["EAFNOSUPPORT", "EADDRNOTAVAIL"])
def test_without_ipv6_there_is_nothing_to_be_free(error: str) -> None:
    assert unfit(with_probe(BindProbe("tcp", 6, 6443, error))) == []


def test_sockets_that_cannot_be_listed() -> None:
    gone = Unknown("denied", "no")
    facts = with_listeners()
    facts = replace(facts, ports=replace(ports.healthy(), listeners=gone))
    # Each port was bound: that is answer enough.
    assert unfit(facts) == []
    facts = replace(
        facts, ports=replace(ports.healthy(), listeners=gone, bind_probes=Unknown("not-asked", "x"))
    )
    assert {each.status for each in unfit(facts)} == {Status.UNKNOWN}


def test_nothing_is_known() -> None:
    (found,) = unfit(replace(healthy(), ports=Unknown("timeout", "slow")))
    assert found.status is Status.UNKNOWN
