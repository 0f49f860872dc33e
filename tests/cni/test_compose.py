"""Every configuration that `cni render` can make is loaded by runtimes and passes the lint."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.cni.compose import (
    CHAINED,
    INTERFACES,
    IPAMS,
    Wanted,
    best_version,
    compose,
    refuse_useless,
    text,
)
from preflight.cni.lint import lint
from preflight.cni.plan import Flags, make_plan, node_ranges
from preflight.cni.problem import ERROR, Context
from preflight.cni.spec import load
from preflight.settings import Settings
from rules.cluster import Cluster
from rules.errors import NodeprepError, UsageError

DUAL = (ip_network("10.244.1.0/24"), ip_network("fd00:10:244:1::/64"))
WANTED = Wanted(
    subnets=DUAL, master="eth0", vlan_id=100, device="eth1", addresses=("192.0.2.5/24=192.0.2.1",)
)


def problems(body: dict[str, Any], context: Context | None = None) -> list[str]:
    network = load("/x/10-nodeprep.conflist", text(body))
    return [
        f"{item.place}: {item.message}"
        for item in lint(network, context)
        if item.level == ERROR and item.code != "windows"
    ]


@pytest.mark.parametrize("ipam", IPAMS)
@pytest.mark.parametrize("plugin", INTERFACES)
def test_every_plugin_with_every_ipam(plugin: str, ipam: str) -> None:
    subnets = DUAL[:1] if ipam == "dhcp" else DUAL
    wanted = replace(WANTED, plugin=plugin, ipam=ipam, subnets=subnets, chain=CHAINED, mtu=1400)
    body = compose(wanted)
    assert problems(body) == []
    assert body["plugins"][0]["type"] == plugin
    assert body["plugins"][0]["ipam"]["type"] == ipam
    chained = [item["type"] for item in body["plugins"][1:]]
    assert chained == ([] if plugin.startswith("win-") else list(CHAINED))


def test_dual_stack_has_a_range_and_a_default_route_for_each_family() -> None:
    ipam = compose(WANTED)["plugins"][0]["ipam"]
    assert ipam["ranges"] == [[{"subnet": str(subnet)}] for subnet in DUAL]
    assert ipam["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]


@pytest.mark.parametrize(
    ("how", "masquerades"), [("node", False), ("plugin", True), ("none", False)]
)
@pytest.mark.parametrize("plugin", ["bridge", "ptp"])
def test_who_masquerades(plugin: str, how: str, masquerades: bool) -> None:
    body = compose(replace(WANTED, plugin=plugin, masquerade=how))
    assert body["plugins"][0]["ipMasq"] is masquerades


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"plugin": "brigde"}, "--plugin takes"),
        ({"ipam": "calico-ipam"}, "--ipam takes"),
        ({"chain": ("portmap", "x")}, "--chain takes"),
        ({"name": "a/b"}, "no network name"),
        ({"bridge": "a-name-of-16-byte"}, "no interface name"),
        ({"bridge": 'x"; rm'}, "no interface name"),
        ({"bridge": "x;reboot"}, "no interface name"),
        ({"bridge": "\x1b[31mx"}, "no interface name"),
        ({"bridge": "\udcff"}, "no interface name"),
        ({"bridge": "all"}, "no interface name"),
        ({"name": "x" * 175}, "has 175 letters"),
        ({"chain": ("portmap", "portmap")}, "names one twice"),
        ({"subnets": ()}, "give --pod-cidr"),
        ({"subnets": (ip_network("10.0.0.0/31"),)}, "two host bits"),
        ({"subnets": (DUAL[0], ip_network("10.0.0.0/24"))}, "two ranges of one family"),
        ({"plugin": "vlan", "vlan_id": 4095}, "1 to 4094"),
        ({"plugin": "vlan", "master": ""}, "needs --master"),
        ({"plugin": "macvlan", "mode": "l2"}, "--mode of macvlan"),
        ({"plugin": "host-device", "device": ""}, "needs --device"),
        ({"ipam": "static", "addresses": ()}, "needs --address"),
        ({"ipam": "static", "addresses": ("10.0.0.1/33",)}, "--address 10.0.0.1/33"),
        ({"ipam": "dhcp"}, "IPv4 addresses only"),
        ({"chain": ("tuning",), "sysctls": (("kernel.x", "1"),)}, "below net."),
        ({"version": "2.0.0"}, "--cni-version takes"),
        ({"masquerade": "yes"}, "--masquerade takes"),
    ],
)
def test_what_cannot_be(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        compose(replace(WANTED, **change))


@given(st.text(max_size=300))
def test_hostile_words_stay_values(word: str) -> None:
    wanted = replace(WANTED, plugin="host-device", device=word or "x", chain=())
    body = json.loads(text(compose(wanted)))
    assert word in body["plugins"][0].values() or not word
    assert set(body["plugins"][0]) <= {"type", "device", "hwaddr", "pciBusID", "ipam"}


@pytest.mark.parametrize(
    ("spoken", "newest", "best"),
    [
        ((("0.4.0", "1.0.0"), ("1.0.0", "1.1.0")), "1.1.0", "1.0.0"),
        ((("1.0.0", "1.1.0"),), "1.0.0", "1.0.0"),
        ((("0.4.0",), ("1.0.0",)), "1.1.0", ""),
        ((("0.3.1", "0.4.0"), ("0.3.1", "0.4.0")), "1.1.0", "0.4.0"),
        ((("1.1.0",), ()), "1.1.0", ""),
    ],
)
def test_the_newest_version_that_all_speak(
    spoken: tuple[tuple[str, ...], ...], newest: str, best: str
) -> None:
    assert best_version(spoken, newest) == best


def test_node_ranges_are_those_of_the_controller_manager() -> None:
    cluster = Cluster(pod_subnets=(ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56")))
    settings = Settings(cluster=cluster)
    assert node_ranges(settings, 3) == (
        ip_network("10.244.3.0/24"),
        ip_network("fd00:10:244:3::/64"),
    )
    with pytest.raises(UsageError, match="no room for node 256"):
        node_ranges(settings, 256)


def test_the_cluster_file_names_the_nodes_own_range(tmp_path: Path) -> None:
    file = tmp_path / "nodeprep.yaml"
    file.write_text(
        "networking: {podSubnet: 10.244.0.0/16}\nnodeName: w1\nnodes:\n"
        "  - {name: w1, role: worker, addresses: [192.0.2.21], podSubnet: 10.244.2.0/24}\n"
    )
    planned = make_plan(Flags(config=str(file), mtu=1450, plugin_dirs=(str(tmp_path),)))
    assert planned.wanted.subnets == (ip_network("10.244.2.0/24"),)
    assert json.loads(planned.text)["plugins"][0]["mtu"] == 1450
    assert set(planned.missing) == {"bridge", "host-local", "portmap", "loopback"}


def test_a_range_outside_the_clusters_is_an_error(tmp_path: Path) -> None:
    from preflight.cni.plan import refuse_errors

    file = tmp_path / "nodeprep.yaml"
    file.write_text("networking: {podSubnet: 10.244.0.0/16}\n")
    planned = make_plan(Flags(config=str(file), pod_cidr="10.88.0.0/24"))
    with pytest.raises(NodeprepError, match=r"10\.88\.0\.0/24"):
        refuse_errors(planned)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"master": "up0"}, "--master goes with --plugin vlan, ipvlan or macvlan"),
        ({"rate": 1}, "--rate goes with --chain bandwidth"),
        ({"addresses": ("10.244.1.5/24",)}, "--address goes with --ipam static"),
        ({"sysctls": (("net.core.somaxconn", "9"),)}, "--pod-sysctl goes with --chain tuning"),
        ({"vlan_id": 5, "plugin": "macvlan"}, "--vlan-id goes with --plugin vlan"),
        ({"device": "up0"}, "--device goes with --plugin host-device"),
    ],
)
def test_a_flag_that_would_change_nothing(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        refuse_useless(Wanted(**change))
    refuse_useless(Wanted(chain=("tuning", "bandwidth"), rate=1, sysctls=(("net.a", "1"),)))
