"""More of what upstream's suites for bridge, host-local and libcni rely on; see conformance.py.

What a release of the plugins does not know yet is asked of it only from that release on: it is
told by VERSION (1.6.0 is the first that speaks 1.1.0).
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from preflight.cni import chain
from preflight.cni.attachment import Attachment
from preflight.cni.causes import explain
from preflight.cni.failure import PluginFailure
from preflight.cni.installed import asked
from preflight.cni.lint import lint
from preflight.cni.problem import Context
from preflight.cni.spec import NetworkConfig
from rules.netns import inside
from tests.cni.conformance import (
    BRIDGE,
    CALLER,
    DUAL,
    FOUR,
    Pods,
    addresses,
    leases,
    network,
    pods,
    sh,
)
from tests.cni.node import PLUGIN_DIR

__all__ = ["pods"]  # the fixture
NEW = "1.1.0" in asked(("bridge",), (PLUGIN_DIR,))[0]["bridge"]
VERSIONS = ("0.3.1", "1.0.0", "1.1.0") if NEW else ("0.3.1", "1.0.0")


def host_local(*sets: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    return {"type": "host-local", "ranges": list(sets), **more}


def has_vlan_filtering() -> bool:
    """Whether this kernel has CONFIG_BRIDGE_VLAN_FILTERING: asked of it."""
    made = ["ip", "link", "add", "br1", "type", "bridge", "vlan_filtering", "1"]
    done = subprocess.run(made, capture_output=True, check=False)
    subprocess.run(["ip", "link", "del", "br1"], capture_output=True, check=False)
    return done.returncode == 0


def refused(pods: Pods, net: NetworkConfig, *options: str) -> bool:
    """Where the kernel has no VLANs on bridges: that a pod is refused, and the options named."""
    if has_vlan_filtering():
        return False
    with pytest.raises(PluginFailure) as caught:
        pods.add(net, "one")
    (cause,) = explain(caught.value, net)
    assert cause.name == "kernel-option"
    assert all(option in cause.message for option in options)
    assert leases() == []
    return True


def port_vlans(bridge: str) -> dict[str, set[int]]:
    """Port -> the VLANs that it lets through."""
    members = {path.name for path in Path(f"/sys/class/net/{bridge}/brif").iterdir()}
    ports = {}
    for item in json.loads(sh("bridge", "-j", "vlan", "show")):
        ids: set[int] = set()
        for entry in item["vlans"]:
            ids |= set(range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1))
        ports[item["ifname"]] = ids
    return {name: ids for name, ids in ports.items() if name in members}


# bridge


@pytest.mark.parametrize("version", VERSIONS)
def test_a_vlan_of_its_own(pods: Pods, version: str) -> None:
    net = network({"type": "bridge", "bridge": "cni0", "vlan": 100, "ipam": FOUR}, version=version)
    if refused(pods, net, "CONFIG_BRIDGE_VLAN_FILTERING"):
        return
    pods.add(net, "one")
    ((_, ids),) = port_vlans("cni0").items()
    assert 100 in ids
    assert Path("/sys/class/net/cni0/bridge/vlan_filtering").read_text().strip() == "1"
    if version != "0.3.1":
        pods.check()
    pods.delete()
    assert port_vlans("cni0") == {}


def test_pods_of_two_vlans_do_not_hear_each_other(pods: Pods) -> None:
    net = network({"type": "bridge", "bridge": "cni0", "vlan": 100, "ipam": FOUR})
    if refused(pods, net, "CONFIG_BRIDGE_VLAN_FILTERING"):
        return
    found = {}
    for name, vlan in (("one", 100), ("two", 100), ("three", 200)):
        net = network({"type": "bridge", "bridge": "cni0", "vlan": vlan, "ipam": FOUR})
        found[name] = addresses(pods.add(net, name))[0].split("/")[0]
    for name, heard in (("two", True), ("three", False)):
        with inside("/run/netns/one"):
            subprocess.run(["ip", "neigh", "flush", "all"], check=True, capture_output=True)
            done = subprocess.run(
                ["python3", "-c", _KNOCK, found[name]], capture_output=True, text=True, check=True
            )
        assert done.stdout.strip() == str(heard), name


# Refused by the pod itself: it was reached. No route (no answer to ARP): it was not.
_KNOCK = """
import socket, sys
peer = socket.socket(); peer.settimeout(4)
try:
    peer.connect((sys.argv[1], 9))
except ConnectionRefusedError:
    print(True)
except OSError:
    print(False)
"""


def test_a_vlan_with_a_gateway_has_a_link_of_its_own(pods: Pods) -> None:
    net = network({**BRIDGE, "vlan": 100, "ipam": FOUR})
    if refused(pods, net, "CONFIG_BRIDGE_VLAN_FILTERING", "CONFIG_VLAN_8021Q"):
        return
    pods.add(net, "one")
    assert Path("/sys/class/net/cni0.100").exists()


@pytest.mark.parametrize("vlan", [-1, 4095])
def test_a_vlan_that_there_is_not(pods: Pods, vlan: int) -> None:
    net = network({**BRIDGE, "vlan": vlan, "ipam": FOUR})
    assert [problem.place for problem in lint(net) if problem.level == "error"] == [
        "plugins[0].vlan"
    ]
    with pytest.raises(PluginFailure, match="VLAN"):
        pods.add(net, "one")
    assert leases() == []


def test_a_trunk(pods: Pods) -> None:
    trunk = [{"id": 101}, {"minID": 200, "maxID": 210}]
    net = network({"type": "bridge", "bridge": "cni0", "vlanTrunk": trunk, "ipam": FOUR})
    if NEW and refused(pods, net, "CONFIG_BRIDGE_VLAN_FILTERING"):
        return
    pods.add(net, "one")
    if not NEW:  # releases before 1.3.0 do not know the key, and say nothing
        return
    ((_, ids),) = port_vlans("cni0").items()
    assert {101, *range(200, 211)} <= ids


def test_pods_that_may_not_hear_each_other(pods: Pods) -> None:
    """portIsolation came with 1.7.0; before, it is ignored, and the lint says so."""
    net = network({**BRIDGE, "portIsolation": True, "ipam": FOUR})
    pods.add(net, "one")
    (port,) = Path("/sys/class/net/cni0/brif").iterdir()
    assert (port / "isolated").read_text().strip() == ("1" if NEW else "0")
    spoken = asked(("bridge",), (PLUGIN_DIR,))[0]
    told = [problem.place for problem in lint(net, Context(plugin_specs=spoken))]
    assert ("plugins[0].portIsolation" in told) is not NEW


def test_no_frames_from_another_mac(pods: Pods) -> None:
    """macspoofchk: a rule of nft's bridge family for each pod, gone with it."""
    net = network({**BRIDGE, "macspoofchk": True, "ipam": FOUR})
    result = pods.add(net, "one")
    mac = result["interfaces"][2]["mac"]
    rules = sh("nft", "list", "ruleset", "bridge")
    assert mac in rules
    assert "drop" in rules
    pods.check()
    pods.delete()
    assert mac not in sh("nft", "list", "ruleset", "bridge")


def test_a_promiscuous_bridge(pods: Pods) -> None:
    pods.add(network({"type": "bridge", "bridge": "cni0", "isGateway": True, "promiscMode": True,
                      "ipam": FOUR}), "one")  # fmt: skip
    assert int(Path("/sys/class/net/cni0/flags").read_text(), 16) & 0x100


@pytest.mark.parametrize("version", VERSIONS)
def test_a_default_route_by_the_bridge(pods: Pods, version: str) -> None:
    sets = DUAL["ranges"]
    plugin = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True,
              "ipam": host_local(*sets)}  # fmt: skip
    pods.add(network(plugin, version=version), "one")
    with inside("/run/netns/one"):
        assert "default via 10.244.1.1 dev eth0" in sh("ip", "route")
        assert "default via fd00:10:244:1::1 dev eth0" in sh("ip", "-6", "route")


def test_the_macs_stay_when_pods_come_and_go(pods: Pods) -> None:
    sh("ip", "link", "add", "cni0", "address", "0a:58:0a:f4:01:01", "type", "bridge")
    sh("ip", "addr", "add", "10.244.1.1/24", "dev", "cni0")
    net = network({**BRIDGE, "ipam": FOUR})
    seen = set()
    for name in ("one", "two", "three"):
        pods.add(net, name)
        seen.add(Path("/sys/class/net/cni0/address").read_text().strip())
    for _, attachment in pods.added[:]:
        chain.delete(net, attachment, CALLER)
        seen.add(Path("/sys/class/net/cni0/address").read_text().strip())
    assert seen == {"0a:58:0a:f4:01:01"}


def test_masquerading_by_the_plugin_is_gone_with_the_pod(pods: Pods) -> None:
    net = network({**BRIDGE, "ipMasq": True, "ipam": DUAL})
    pods.add(net, "one")
    for program in ("iptables-save", "ip6tables-save"):
        rules = [
            line
            for line in sh(program, "-t", "nat").splitlines()
            if "-j MASQUERADE" in line and "one" in line
        ]
        assert len(rules) == 1, program
    pods.delete()
    for program in ("iptables-save", "ip6tables-save"):
        assert 'id: \\"one' not in sh(program, "-t", "nat")


def test_the_plugin_switches_forwarding_on(pods: Pods) -> None:
    switch = Path("/proc/sys/net/ipv4/ip_forward")
    switch.write_text("0")
    pods.add(network({**BRIDGE, "ipam": FOUR}), "one")
    assert switch.read_text().strip() == "1"


# host-local


@pytest.mark.parametrize("version", VERSIONS)
def test_two_ranges_in_one_set_give_one_address(pods: Pods, version: str) -> None:
    first = {"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.10", "rangeEnd": "10.244.1.10"}
    ranges = [first, {"subnet": "10.244.9.0/24"}]
    net = network({"type": "bridge", "bridge": "cni0", "ipam": host_local(ranges)}, version=version)
    found = [addresses(pods.add(net, name)) for name in ("one", "two")]
    assert found == [["10.244.1.10/24"], ["10.244.9.2/24"]]


def test_the_keys_of_old_files_are_a_range_too(pods: Pods) -> None:
    old = {"type": "host-local", "subnet": "10.244.1.0/24", "rangeStart": "10.244.1.50"}
    assert addresses(pods.add(network({**BRIDGE, "ipam": old}), "one")) == ["10.244.1.50/24"]


def test_an_address_for_each_set_asked_for_by_the_runtime(pods: Pods) -> None:
    plugin = {**BRIDGE, "ipam": DUAL, "capabilities": {"ips": True}}
    wanted = ["10.244.1.77", "fd00:10:244:1::77"]
    result = pods.add(network(plugin), "one", capabilities={"ips": wanted})
    assert [item.split("/")[0] for item in addresses(result)] == wanted
    with pytest.raises(PluginFailure, match="not available"):
        pods.add(network(plugin), "two", capabilities={"ips": wanted[:1]})
    with pytest.raises(PluginFailure, match=r"10\.99\.0\.7"):
        pods.add(network(plugin), "three", capabilities={"ips": ["10.99.0.7"]})
    assert len(leases()) == 2


def test_ranges_by_the_runtime_come_before_those_of_the_file(pods: Pods) -> None:
    # kubenet's and CRI-O's way: the node's range comes at run time.
    plugin = {"type": "bridge", "bridge": "cni0", "capabilities": {"ipRanges": True},
              "ipam": host_local([{"subnet": "10.244.8.0/24"}])}  # fmt: skip
    ranges = [[{"subnet": "10.244.7.0/24"}]]
    result = pods.add(network(plugin), "one", capabilities={"ipRanges": ranges})
    assert addresses(result)[0].startswith("10.244.7.")


def test_name_servers_of_a_file(pods: Pods, tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.53\nsearch example.net\noptions ndots:2\n")
    # host-local alone: an interface plugin puts its own "dns" in place of this.
    ipam = {**FOUR, "resolvConf": str(path)}
    dns = pods.add(network({"type": "host-local", "ipam": ipam}), "one")["dns"]
    assert dns == {
        "nameservers": ["192.0.2.53"], "search": ["example.net"], "options": ["ndots:2"],
    }  # fmt: skip


def test_leases_in_another_directory(pods: Pods, tmp_path: Path) -> None:
    pods.add(network({**BRIDGE, "ipam": {**FOUR, "dataDir": str(tmp_path)}}), "one")
    (lease,) = (tmp_path / "conf").glob("10.*")
    assert lease.read_bytes() == b"one\r\neth0"
    assert leases() == []
    pods.delete()
    assert not lease.exists()


@pytest.mark.parametrize("text", ["one", "one\r\neth0", " one\r\neth0\n"])
def test_leases_as_older_releases_wrote_them_are_freed(pods: Pods, text: str) -> None:
    net = network({**BRIDGE, "ipam": FOUR})
    result = pods.add(net, "one")
    lease = Path("/var/lib/cni/networks/conf", addresses(result)[0].split("/")[0])
    lease.write_bytes(text.encode())
    pods.delete()
    assert leases() == []


@pytest.mark.parametrize(
    "ranges",
    [
        [[{"subnet": "10.244.1.0/24"}, {"subnet": "10.244.1.128/25"}]],
        [[{"subnet": "10.244.1.0/24"}], [{"subnet": "10.244.1.0/24"}]],
        [[{"subnet": "10.244.1.0/24"}, {"subnet": "fd00:10:244:1::/64"}]],
        [[{"subnet": "10.244.1.1/24"}]],
        [[{"subnet": "10.244.1.0/31"}]],
        [[{"subnet": "10.244.1.0/24", "rangeStart": "10.244.2.1"}]],
        [[{"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.9", "rangeEnd": "10.244.1.8"}]],
        [[]],
    ],
)
def test_ranges_that_cannot_be_are_known_before_a_pod_is_lost(
    pods: Pods, ranges: list[list[dict[str, str]]]
) -> None:
    net = network({**BRIDGE, "ipam": host_local(*ranges)})
    assert [problem for problem in lint(net) if problem.level == "error"]
    with pytest.raises(PluginFailure):
        pods.add(net, "one")
    assert leases() == []


# What a caller does


@pytest.mark.parametrize("version", VERSIONS)
def test_status_is_asked_of_real_plugins_that_have_it(version: str) -> None:
    net = network({**BRIDGE, "ipam": FOUR}, {"type": "portmap"}, version=version)
    assert chain.status(net, CALLER) is (version == "1.1.0")


def test_the_cache_of_an_add_serves_a_del_by_another_caller(pods: Pods) -> None:
    net = network({**BRIDGE, "ipMasq": True, "ipam": FOUR})
    pods.add(net, "one")
    (entry,) = Path("/run/conformance/results").glob("conf-one-eth0")
    said = json.loads(entry.read_text())
    assert (said["kind"], said["containerId"], said["ifName"], said["networkName"]) == (
        "cniCacheV1", "one", "eth0", "conf",
    )  # fmt: skip
    assert said["result"]["ips"][0]["address"].startswith("10.244.1.")
    assert (entry.stat().st_mode & 0o777, entry.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    pods.delete()
    assert not entry.exists()


def test_check_finds_what_was_taken_from_the_pod(pods: Pods) -> None:
    net = network({**BRIDGE, "ipam": FOUR})
    pods.add(net, "one")
    pods.check()
    with inside("/run/netns/one"):
        sh("ip", "addr", "flush", "dev", "eth0")
    with pytest.raises(PluginFailure, match="CHECK"):
        chain.check(net, Attachment("one", "/run/netns/one"), CALLER)
