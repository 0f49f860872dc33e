from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.checks.cniproducts import _AGENT_LINKS
from preflight.facts.model import Facts, Unknown
from preflight.finding import Finding, Status
from preflight.target import Phase
from rules.cnis import PROFILES
from tests.checks.pods import bridge_link, facts, wanted, with_links
from tests.nodes import cni, judge, system
from tests.nodes.network import route

SUBNET_ENV = "FLANNEL_NETWORK={}\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450"


def found(node: Facts | None = None, *, name: str, **target: Any) -> list[Finding]:
    return judge("cni-product-ready", node or facts(), wanted(name, **target))


def traces(**paths: str) -> Facts:
    """The healthy node with what products keep: path (``_`` is ``/``) -> text."""
    return facts(traces={"/" + path.replace("_", "/"): text for path, text in paths.items()})


def link(name: str, kind: str = "vxlan") -> Any:
    return bridge_link(name=name, kind=kind, addresses=())


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_healthy_node_suits_every_product(name: str) -> None:
    node = facts(traces={"/etc/apparmor.d": "", "/run/cni/dhcp.sock": ""})
    (one,) = found(node, name=name)
    expected = {
        "docker-overlay": Status.WARN,
        "win-bridge": Status.SKIP,
        "win-overlay": Status.SKIP,
    }
    assert one.status is expected.get(name, Status.PASS), one.message
    assert one.subject == name


def test_the_summary_says_what_passes_between_nodes() -> None:
    (one,) = found(name="flannel", mode="vxlan")
    assert "8472/udp" in one.message
    assert "takes 50 bytes" in one.message


@pytest.mark.parametrize(
    ("name", "foreign", "owner"),
    [
        ("calico", "flannel.1", "flannel"),
        ("flannel", "vxlan.calico", "calico"),
        ("bridge", "cilium_host", "cilium"),
        ("cilium", "weave", "weave"),
        ("flannel", "cali0123456789a", "calico"),
    ],
)
def test_interfaces_of_another_product(name: str, foreign: str, owner: str) -> None:
    (one,) = found(with_links(facts(), link(foreign)), name=name)
    assert one.status is Status.WARN
    assert f"{foreign} of {owner} is still here" in one.message
    assert one.remedy == f"ip link delete {foreign}"


def test_interfaces_of_the_wanted_product_or_its_parts() -> None:
    (one,) = found(with_links(facts(), link("flannel.1")), name="flannel")
    assert one.status is Status.PASS
    (one,) = found(with_links(facts(), link("flannel.1"), link("cali1")), name="canal")
    assert one.status is Status.PASS


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("flannel", "vxlan", "flannel.1"),
        ("flannel", "wireguard", "flannel-wg"),
        ("canal", "", "flannel.1"),
        ("calico", "", "vxlan.calico"),
        ("calico", "vxlan", "vxlan.calico"),
        ("calico", "ipip", "tunl0"),
        ("cilium", "", "cilium_host"),
        ("antrea", "", "antrea-gw0"),
        ("kube-router", "", "kube-bridge"),
        ("weave", "", "weave"),
    ],
)
def test_the_agents_interface_after_kubeadm(name: str, mode: str, expected: str) -> None:
    node = facts(traces={"/run/flannel/subnet.env": SUBNET_ENV.format("10.244.0.0/16")})
    (one,) = found(node, name=name, mode=mode, phase=Phase.AFTER)
    assert (one.status, one.expected) == (Status.FAIL, expected)
    (one,) = found(with_links(node, link(expected)), name=name, mode=mode, phase=Phase.AFTER)
    assert one.status is Status.PASS
    (one,) = found(node, name=name, mode=mode)
    assert one.status is Status.PASS


@pytest.mark.parametrize(
    ("text", "phase", "status"),
    [
        (SUBNET_ENV.format("10.244.0.0/16"), Phase.BEFORE, Status.PASS),
        (SUBNET_ENV.format("10.99.0.0/16"), Phase.BEFORE, Status.WARN),
        (SUBNET_ENV.format("10.99.0.0/16"), Phase.AFTER, Status.FAIL),
        (None, Phase.BEFORE, Status.PASS),
        (None, Phase.AFTER, Status.FAIL),
        ("garbage", Phase.BEFORE, Status.PASS),
    ],
)
def test_flannels_range(text: str | None, phase: Phase, status: Status) -> None:
    known = {} if text is None else {"/run/flannel/subnet.env": text}
    node = with_links(facts(traces=known), link("flannel.1"))
    (one,) = found(node, name="flannel", phase=phase)
    assert one.status is status


def test_calicos_name_of_another_node() -> None:
    (one,) = found(facts(traces={"/var/lib/calico/nodename": "m1"}), name="calico")
    assert one.status is Status.PASS
    (one,) = found(facts(traces={"/var/lib/calico/nodename": "old"}), name="calico")
    assert one.status is Status.WARN
    assert "'old'" in one.message
    assert one.remedy == "rm /var/lib/calico/nodename"


def test_network_manager_beside_calico() -> None:
    running = {"/run/NetworkManager": ""}
    (one,) = found(facts(traces=running), name="calico")
    assert one.status is Status.WARN
    assert "/etc/NetworkManager/conf.d/calico.conf" in one.remedy
    told = {"/etc/NetworkManager/conf.d/90.conf": "unmanaged-devices=interface-name:cali*"}
    (one,) = found(facts(traces={**running, **told}), name="calico")
    assert one.status is Status.PASS
    (one,) = found(facts(traces=running), name="flannel")
    assert one.status is Status.PASS


@pytest.mark.parametrize(
    ("release", "os_id", "status"),
    [
        ("5.3.18", "debian", Status.FAIL),
        ("5.4.0-216-generic", "ubuntu", Status.WARN),
        ("5.9.16", "debian", Status.WARN),
        ("5.10.0", "debian", Status.PASS),
        ("4.18.0-372.el8", "rhel", Status.PASS),
        ("4.17.0", "rhel", Status.FAIL),
        ("unheard-of", "debian", Status.PASS),
    ],
)
def test_ciliums_kernel(release: str, os_id: str, status: Status) -> None:
    value = replace(system.healthy(), kernel_release=release, os_id=os_id)
    (one,) = found(replace(facts(), system=value), name="cilium")
    assert one.status is status


def test_weaves_own_range() -> None:
    node = with_links(facts(), routes=(route("10.40.0.0/16", "eth0", "192.0.2.9"),))
    (one,) = found(node, name="weave", pods=())
    assert one.status is Status.FAIL
    assert "10.40.0.0/16 by eth0" in one.message
    (one,) = found(node, name="weave")
    assert one.status is Status.PASS
    node = with_links(facts(), routes=(route("10.48.0.0/16", "eth0", "192.0.2.9"),))
    (one,) = found(node, name="weave", pods=())
    assert one.status is Status.PASS


@pytest.mark.parametrize(
    ("os_id", "there", "status"),
    [
        ("ubuntu", True, Status.PASS),
        ("ubuntu", False, Status.FAIL),
        ("rhel", False, Status.PASS),
    ],
)
def test_nsx_wants_apparmor_on_ubuntu(os_id: str, there: bool, status: Status) -> None:
    node = facts(traces={"/etc/apparmor.d": ""} if there else {})
    node = replace(node, system=replace(system.healthy(), os_id=os_id))
    (one,) = found(node, name="nsx-ncp")
    assert one.status is status


def test_dhcp_wants_its_daemon() -> None:
    (one,) = found(name="dhcp")
    assert one.status is Status.FAIL
    assert one.remedy == "systemctl enable --now cni-dhcp.socket"


def test_what_is_unknown() -> None:
    node = replace(facts(), cni=Unknown("failed", "broke"))
    (one,) = judge("cni-product-ready", node, wanted("flannel"))
    assert one.status is Status.UNKNOWN
    node = facts(traces=Unknown("denied", "may not be read"))
    (one,) = judge("cni-product-ready", node, wanted("calico"))
    assert one.status is Status.UNKNOWN
    assert cni.healthy().traces == {"/etc/apparmor.d": ""}


def test_every_mode_with_an_interface_of_its_agent_is_one_of_the_profiles() -> None:
    for name, mode in _AGENT_LINKS:
        assert PROFILES[name].mode(mode) is not None
