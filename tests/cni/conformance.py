"""What a caller and an author of configurations rely on, against the real plugins.

The scenarios are those of upstream's own suites for bridge, ptp, host-local, static, portmap,
firewall, tuning, bandwidth, loopback and macvlan. Run by ``tests.cni.test_conformance`` inside a
node: everything here happens in its namespaces.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from preflight.cni import chain
from preflight.cni.attachment import Attachment
from preflight.cni.causes import explain
from preflight.cni.failure import PluginFailure
from preflight.cni.pods import link_mtu, pod_of
from preflight.cni.probing import GREETING, Listener, Probe, ask
from preflight.cni.spec import NetworkConfig, load
from rules.netns import inside
from tests.cni.node import PLUGIN_DIR

CALLER = chain.Caller((PLUGIN_DIR,), "/run/conformance")
SIX: dict[str, Any] = {
    "type": "host-local",
    "ranges": [[{"subnet": "fd00:10:244:1::/64"}]],
    "routes": [{"dst": "::/0"}],
}
FOUR: dict[str, Any] = {
    "type": "host-local",
    "ranges": [[{"subnet": "10.244.1.0/24"}]],
    "routes": [{"dst": "0.0.0.0/0"}],
}
DUAL: dict[str, Any] = {
    "type": "host-local",
    "ranges": [*FOUR["ranges"], *SIX["ranges"]],
    "routes": [*FOUR["routes"], *SIX["routes"]],
}
BRIDGE = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True}
VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0")


def sh(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def network(*plugins: dict[str, Any], version: str = "1.0.0", **more: Any) -> NetworkConfig:
    body = {"cniVersion": version, "name": "conf", "plugins": list(plugins), **more}
    return load("/x/conf.conflist", json.dumps(body))


class Pods:
    """Namespaces of one test, with what was added to them."""

    def __init__(self) -> None:
        self.added: list[tuple[NetworkConfig, Attachment]] = []
        self.names: list[str] = []

    def add(self, net: NetworkConfig, name: str, **more: Any) -> dict[str, Any]:
        if name not in self.names:
            sh("ip", "netns", "add", name)
            self.names.append(name)
        attachment = Attachment(name, f"/run/netns/{name}", **more)
        result = chain.add(net, attachment, CALLER)
        self.added.append((net, attachment))
        return result

    def check(self) -> None:
        for net, attachment in self.added:
            assert chain.check(net, attachment, CALLER)

    def delete(self) -> None:
        added, self.added = self.added, []
        for net, attachment in added:
            chain.delete(net, attachment, CALLER)


@pytest.fixture
def pods() -> Iterator[Pods]:
    made = Pods()
    yield made
    try:
        made.delete()
    finally:
        for name in made.names:
            sh("ip", "netns", "del", name)
        for link in ("cni0", "br1"):
            subprocess.run(["ip", "link", "del", link], capture_output=True, check=False)
        for path in Path("/var/lib/cni/networks").glob("conf/*"):
            path.unlink()


def addresses(result: dict[str, Any]) -> list[str]:
    return [item["address"] for item in result["ips"]]


def leases() -> list[str]:
    names = [path.name for path in Path("/var/lib/cni/networks/conf").glob("*")]
    return sorted(name for name in names if name != "lock" and not name.startswith("last_"))


# ptp waits for IPv6's duplicate address detection, two seconds each time: one such case.
@pytest.mark.parametrize(
    ("kind", "ipam", "version"),
    [
        *(("bridge", ipam, version) for ipam in (FOUR, SIX, DUAL) for version in VERSIONS),
        *(("ptp", FOUR, version) for version in VERSIONS),
        ("ptp", DUAL, "1.0.0"),
    ],
)
def test_add_check_del(pods: Pods, kind: str, ipam: dict[str, Any], version: str) -> None:
    plugin = {**BRIDGE, "ipam": ipam} if kind == "bridge" else {"type": "ptp", "ipam": ipam}
    result = pods.add(network(plugin, version=version), "one")
    assert result["cniVersion"] == version
    assert len(result["ips"]) == len(ipam["ranges"])
    with inside("/run/netns/one"):
        shown = json.loads(sh("ip", "-j", "addr", "show", "eth0"))[0]["addr_info"]
    given = {f"{item['local']}/{item['prefixlen']}" for item in shown}
    assert {item.split("/")[0] for item in addresses(result)} <= {x.split("/")[0] for x in given}
    if version in ("0.4.0", "1.0.0"):
        pods.check()
    pods.delete()
    assert leases() == []


def test_layer_two_alone(pods: Pods) -> None:
    result = pods.add(network({"type": "bridge", "bridge": "br1"}), "one")
    assert "ips" not in result or not result["ips"]
    assert result["interfaces"][0]["name"] == "br1"


def test_an_existing_bridge_is_adopted_with_the_address_that_it_should_have(pods: Pods) -> None:
    sh("ip", "link", "add", "cni0", "address", "0a:58:0a:f4:01:01", "type", "bridge")
    sh("ip", "addr", "add", "10.244.1.1/24", "dev", "cni0")
    pods.add(network({**BRIDGE, "ipam": FOUR}), "one")
    pods.add(network({**BRIDGE, "ipam": FOUR}), "two")
    pods.delete()
    assert Path("/sys/class/net/cni0/address").read_text().strip() == "0a:58:0a:f4:01:01"


def test_another_address_is_refused_and_forced(pods: Pods) -> None:
    sh("ip", "link", "add", "cni0", "address", "0a:58:0a:f4:01:01", "type", "bridge")
    sh("ip", "addr", "add", "10.99.0.1/24", "dev", "cni0")
    with pytest.raises(PluginFailure) as caught:
        pods.add(network({**BRIDGE, "ipam": FOUR}), "one")
    assert [cause.name for cause in explain(caught.value, network(BRIDGE))] == [
        "stale-bridge-address"
    ]
    pods.add(network({**BRIDGE, "forceAddress": True, "ipam": FOUR}), "two")
    assert "10.99.0.1" not in sh("ip", "addr", "show", "cni0")


def test_a_mac_by_argument_and_by_the_runtime(pods: Pods) -> None:
    plugin = {**BRIDGE, "ipam": FOUR, "capabilities": {"mac": True}}
    by_argument = pods.add(
        network(plugin), "one", arguments=(("IgnoreUnknown", "1"), ("MAC", "02:00:00:00:00:aa"))
    )
    by_runtime = pods.add(network(plugin), "two", capabilities={"mac": "02:00:00:00:00:bb"})
    assert by_argument["interfaces"][2]["mac"] == "02:00:00:00:00:aa"
    assert by_runtime["interfaces"][2]["mac"] == "02:00:00:00:00:bb"


def test_mtu_hairpin_and_promiscuous(pods: Pods) -> None:
    pods.add(network({**BRIDGE, "mtu": 1400, "ipam": FOUR}), "one")
    assert link_mtu("/run/netns/one", "eth0") == 1400
    (port,) = Path("/sys/class/net/cni0/brif").iterdir()
    assert (port / "hairpin_mode").read_text().strip() == "1"
    with pytest.raises(PluginFailure, match="promisc"):
        pods.add(network({**BRIDGE, "promiscMode": True, "ipam": FOUR}), "two")


def test_an_ipam_that_fails_later_gives_the_address_back(pods: Pods) -> None:
    sh("ip", "link", "add", "cni0", "type", "veth", "peer", "name", "x0")
    with pytest.raises(PluginFailure, match="not a bridge"):
        pods.add(network({**BRIDGE, "ipam": FOUR}), "one")
    assert leases() == []


def test_del_of_what_was_never_added_and_twice(pods: Pods) -> None:
    net = network(
        {**BRIDGE, "ipam": FOUR}, {"type": "portmap", "capabilities": {"portMappings": True}}
    )
    assert chain.delete(net, Attachment("nobody", ""), CALLER) is False
    pods.add(net, "one")
    assert chain.delete(net, Attachment("one", "/run/netns/one"), CALLER) is True
    assert chain.delete(net, Attachment("one", "/run/netns/one"), CALLER) is False


def test_del_without_its_namespace_frees_the_address(pods: Pods) -> None:
    net = network({**BRIDGE, "ipam": FOUR})
    pods.add(net, "one")
    assert chain.delete(net, Attachment("one", ""), CALLER) is True
    assert leases() == []


def test_a_second_add_of_the_same_container_is_refused_and_harmless(pods: Pods) -> None:
    net = network({**BRIDGE, "ipam": FOUR})
    first = pods.add(net, "one")
    with pytest.raises(PluginFailure) as caught:
        chain.add(net, Attachment("one", "/run/netns/one"), CALLER)
    assert explain(caught.value, net)[0].name in ("attached-already", "address-taken")
    assert leases() == [addresses(first)[0].split("/")[0]]
    pods.check()


def test_a_second_interface_of_the_same_container(pods: Pods) -> None:
    net = network({**BRIDGE, "ipam": FOUR})
    first, second = pods.add(net, "one"), pods.add(net, "one", interface="eth1")
    assert addresses(first) != addresses(second)


# host-local


def test_addresses_go_round_and_are_not_used_again_at_once(pods: Pods) -> None:
    net = network({**BRIDGE, "ipam": FOUR})
    first = addresses(pods.add(net, "one"))
    pods.delete()
    second = addresses(pods.add(net, "one"))
    assert int(ip_address(second[0].split("/")[0])) == int(ip_address(first[0].split("/")[0])) + 1


def test_an_address_that_is_asked_for(pods: Pods) -> None:
    net = network({**BRIDGE, "ipam": FOUR})
    words = (("IgnoreUnknown", "1"), ("IP", "10.244.1.77"))
    assert addresses(pods.add(net, "one", arguments=words)) == ["10.244.1.77/24"]
    with pytest.raises(PluginFailure, match="not available"):
        pods.add(net, "two", arguments=words)
    with pytest.raises(PluginFailure, match=r"10\.99\.0\.1"):
        pods.add(net, "three", arguments=(("IgnoreUnknown", "1"), ("IP", "10.99.0.1")))


def test_a_range_that_is_used_up(pods: Pods) -> None:
    small = {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/30"}]]}
    net = network({**BRIDGE, "ipam": small})
    assert addresses(pods.add(net, "one")) == ["10.244.1.2/30"]
    with pytest.raises(PluginFailure) as caught:
        pods.add(net, "two")
    assert [cause.name for cause in explain(caught.value, net)] == ["addresses-used-up"]


def test_start_end_and_gateway_of_a_range(pods: Pods) -> None:
    inner = {"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.10", "rangeEnd": "10.244.1.11",
             "gateway": "10.244.1.254"}  # fmt: skip
    net = network({**BRIDGE, "ipam": {"type": "host-local", "ranges": [[inner]]}})
    found = [pods.add(net, name) for name in ("one", "two")]
    assert [addresses(item)[0] for item in found] == ["10.244.1.10/24", "10.244.1.11/24"]
    assert {item["ips"][0]["gateway"] for item in found} == {"10.244.1.254"}


def test_static_addresses(pods: Pods) -> None:
    given = {"address": "10.244.1.9/24", "gateway": "10.244.1.1"}
    static = {"type": "static", "addresses": [given], "routes": [{"dst": "0.0.0.0/0"}]}
    assert addresses(pods.add(network({**BRIDGE, "ipam": static}), "one")) == ["10.244.1.9/24"]
    pods.check()


# chained plugins


def greeted(source: str, target: str, port: int) -> bool:
    with inside(source):
        client = socket.socket()
    client.settimeout(2)
    try:
        client.connect((target, port))
        return client.recv(16) == GREETING
    except OSError:
        return False
    finally:
        client.close()


def test_a_port_of_the_host_from_outside_another_pod_and_itself(pods: Pods) -> None:
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    net = network({**BRIDGE, "ipMasq": True, "ipam": FOUR}, portmap)
    mapping = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
    pods.add(net, "one", capabilities=mapping)
    pods.add(net, "two")
    listener = Listener("/run/netns/one", 4, 80)
    listener.socket.setblocking(True)

    def greet() -> None:
        for _ in range(3):
            listener.greet()

    Thread(target=greet, daemon=True).start()
    for source in ("/run/netns/peer", "/run/netns/two", "/run/netns/one"):
        assert greeted(source, "192.0.2.11", 8080), source
    listener.close()
    pods.delete()
    assert "CNI-DN-" not in sh("iptables-save", "-t", "nat")


def test_bandwidth_firewall_and_tuning_pass_the_result_on(pods: Pods) -> None:
    net = network(
        {**BRIDGE, "ipam": FOUR},
        {"type": "bandwidth", "ingressRate": 10**7, "ingressBurst": 10**6, "egressRate": 10**7,
         "egressBurst": 10**6},
        {"type": "firewall"},
        {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}, "mtu": 1300},
    )  # fmt: skip
    result = pods.add(net, "one")
    assert result["ips"][0]["gateway"] == "10.244.1.1"
    assert link_mtu("/run/netns/one", "eth0") == 1300
    with inside("/run/netns/one"):
        assert sh("sysctl", "-n", "net.core.somaxconn").strip() == "500"
    address = addresses(result)[0].split("/")[0]
    assert address in sh("iptables-save", "-t", "filter")
    pods.check()
    pods.delete()
    assert address not in sh("iptables-save", "-t", "filter")
    assert "bwp" not in sh("ip", "-br", "link")


def test_loopback_goes_up_and_down(pods: Pods) -> None:
    net = network({"type": "loopback"})
    pods.add(net, "one", interface="lo")
    with inside("/run/netns/one"):
        assert "UP" in sh("ip", "-br", "link", "show", "lo")
    pods.delete()
    with inside("/run/netns/one"):
        assert "DOWN" in sh("ip", "-br", "link", "show", "lo")


def test_macvlan_pods_reach_the_link_and_each_other(pods: Pods) -> None:
    ipam = {"type": "host-local",
            "ranges": [[{"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.100",
                         "gateway": "192.0.2.1"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}  # fmt: skip
    net = network({"type": "macvlan", "master": "up0", "mode": "bridge", "ipam": ipam})
    first = pod_of("one", "/run/netns/one", pods.add(net, "one"))
    second = pod_of("two", "/run/netns/two", pods.add(net, "two"))
    answers = ask(
        [
            Probe("each other", first.netns, second.addresses[4]),
            Probe("outside", first.netns, ip_address("192.0.2.1")),
        ]
    )
    assert {name: answer.ok for name, answer in answers.items()} == {
        "each other": True,
        "outside": True,
    }
    pods.check()


def test_host_device_moves_there_and_back(pods: Pods) -> None:
    sh("ip", "link", "add", "dev0", "type", "veth", "peer", "name", "dev1")
    pods.add(network({"type": "host-device", "device": "dev0", "ipam": FOUR}), "one")
    assert not Path("/sys/class/net/dev0").exists()
    pods.delete()
    assert Path("/sys/class/net/dev0").exists()
    sh("ip", "link", "del", "dev0")


@pytest.mark.parametrize(
    ("plugin", "path", "option"),
    [
        ({"type": "vlan", "master": "up0", "vlanId": 100}, "/proc/net/vlan", "CONFIG_VLAN_8021Q"),
        ({"type": "ipvlan", "master": "up0"}, "/sys/module/ipvlan", "CONFIG_IPVLAN"),
    ],
)
def test_a_kernel_without_the_option_is_told_by_its_name(
    pods: Pods, plugin: dict[str, Any], path: str, option: str
) -> None:
    net = network({**plugin, "ipam": FOUR})
    if Path(path).exists():
        pods.add(net, "one")
        pods.check()
        return
    with pytest.raises(PluginFailure) as caught:
        pods.add(net, "one")
    (cause,) = explain(caught.value, net)
    assert cause.name == "kernel-option"
    assert option in cause.message
    assert option in cause.remedy


def test_vrf_without_its_option(pods: Pods) -> None:
    net = network({**BRIDGE, "ipam": FOUR}, {"type": "vrf", "vrfname": "blue"})
    if Path("/sys/module/vrf").exists():
        pods.add(net, "one")
        return
    with pytest.raises(PluginFailure) as caught:
        pods.add(net, "one")
    assert "CONFIG_NET_VRF" in explain(caught.value, net)[0].message
    assert leases() == []
