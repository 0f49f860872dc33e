from __future__ import annotations

import json
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import pytest

from preflight.cni.lint import lint
from preflight.cni.problem import ERROR, WARNING, Context, Problem
from preflight.cni.schema import PLUGINS, REFERENCE, keys_of
from preflight.cni.spec import LoadError, load

RANGES = [[{"subnet": "10.244.1.0/24"}]]
BRIDGE: dict[str, Any] = {
    "type": "bridge",
    "bridge": "cni0",
    "isDefaultGateway": True,
    "ipam": {"type": "host-local", "ranges": RANGES},
}
PORTMAP: dict[str, Any] = {"type": "portmap", "capabilities": {"portMappings": True}}


def judge(*plugins: dict[str, Any], context: Context | None = None, **head: Any) -> list[Problem]:
    body = {"cniVersion": "1.0.0", "name": "pods", "plugins": list(plugins), **head}
    body = {key: value for key, value in body.items() if value is not ...}
    return lint(load("/etc/cni/net.d/10-a.conflist", json.dumps(body)), context)


def bridge(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**BRIDGE, **changes}.items() if value is not ...}


def local(**changes: Any) -> dict[str, Any]:
    """A bridge with another host-local section."""
    return bridge(ipam={"type": "host-local", **changes})


def codes(problems: list[Problem]) -> list[tuple[str, str, str]]:
    return [(problem.code, problem.place, problem.level) for problem in problems]


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, problems
    assert problems[0].message
    assert problems[0].remedy
    return problems[0]


def test_a_sound_chain_has_no_problem() -> None:
    context = Context(
        pod_subnets=(ip_network("10.244.0.0/16"),),
        service_subnets=(ip_network("10.96.0.0/12"),),
        uplink_mtu=1500,
        max_pods=110,
    )
    assert judge(BRIDGE, PORTMAP, context=context) == []


@pytest.mark.parametrize(
    "plugins",
    [
        [{"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}}, PORTMAP],
        [
            {
                "type": "calico",
                "log_level": "info",
                "datastore_type": "kubernetes",
                "nodename": "m1",
                "mtu": 0,
                "ipam": {"type": "calico-ipam"},
                "policy": {"type": "k8s"},
                "kubernetes": {"kubeconfig": "/etc/cni/net.d/calico-kubeconfig"},
            },
            {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}},
            {"type": "bandwidth", "capabilities": {"bandwidth": True}},
        ],
        [{"type": "calico", "ipam": {"type": "host-local", "subnet": "usePodCidr"}}],
        [{"type": "cilium-cni", "enable-debug": False, "log-file": "/var/run/cilium/cni.log"}],
        [{"type": "weave-net", "hairpinMode": True}, {**PORTMAP, "snat": True}],
        [{"type": "antrea", "ipam": {"type": "host-local"}}, PORTMAP],
        [{"type": "nsx", "mtu": 1500}],
        [
            {
                "type": "ptp",
                "ipMasq": False,
                "mtu": 1500,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni-ipam-state",
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "ranges": RANGES,
                },
            },
            PORTMAP,
        ],
        [{"type": "macvlan", "ipam": {"type": "infoblox", "network-view": "default"}}],
        [{"type": "macvlan", "mode": "bridge", "master": "eth0", "ipam": {"type": "dhcp"}}],
        [bridge(isDefaultGateway=..., isGateway=True, ipam={
            "type": "host-local", "ranges": RANGES, "routes": [{"dst": "0.0.0.0/0"}]})],
        [bridge(ipam={"type": "host-local", "ranges": RANGES,
                      "routes": [{"dst": "0.0.0.0/0", "gw": "10.244.1.1"}]})],
        [BRIDGE, {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}, "mtu": 1400}],
        [BRIDGE, {"type": "firewall", "ingressPolicy": "same-bridge"}, {"type": "sbr"}],
    ],
)  # fmt: skip
def test_what_products_and_guides_write_is_accepted(plugins: list[dict[str, Any]]) -> None:
    context = Context(pod_subnets=(ip_network("10.244.0.0/16"),), uplink_mtu=1500, max_pods=110)
    assert judge(*plugins, context=context) == []


@pytest.mark.parametrize(
    ("key", "value", "nearest"),
    [
        ("isGatway", True, "isGateway"),
        ("isDefaultgateways", True, "isDefaultGateway"),
        ("ipMask", True, "ipMasq"),
        ("hairpin", True, "hairpinMode"),
        ("brige", "cni0", "bridge"),
    ],
)
def test_a_slip_names_the_nearest_key(key: str, value: Any, nearest: str) -> None:
    problem = only(judge(bridge(**{key: value})))
    assert (problem.code, problem.place, problem.level) == (
        "unknown-key",
        f"plugins[0].{key}",
        ERROR,
    )
    assert nearest in problem.message
    assert problem.remedy == f"write {nearest}"


def test_a_strange_key_is_only_worth_a_warning_and_a_comment_nothing() -> None:
    assert codes(judge(bridge(frobnicate=1, _comment="x"))) == [
        ("unknown-key", "plugins[0].frobnicate", WARNING)
    ]


def test_go_ignores_the_case_of_keys_in_plugins_and_not_in_the_list() -> None:
    assert judge(bridge(isdefaultgateway=True)) == []
    assert codes(judge(BRIDGE, DisableCheck=True)) == [("unknown-key", "DisableCheck", ERROR)]


@pytest.mark.parametrize(
    ("plugin", "place"),
    [
        (local(ranges=RANGES, route=[]), "plugins[0].ipam.route"),
        (local(ranges=RANGES, routes=[{"dest": "10.0.0.0/8"}]), "plugins[0].ipam.routes[0].dest"),
        (bridge(dns={"nameserver": ["192.0.2.1"]}), "plugins[0].dns.nameserver"),
        (bridge(vlanTrunk=[{"minId": 1, "maxIDs": 2}]), "plugins[0].vlanTrunk[0].maxIDs"),
    ],
)
def test_slips_inside_objects(plugin: dict[str, Any], place: str) -> None:
    assert place in [problem.place for problem in judge(plugin)]


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"isGateway": "true"}, "kind", "isGateway"),
        ({"mtu": "1500"}, "kind", "mtu"),
        ({"mtu": 1500.5}, "kind", "mtu"),
        ({"mtu": True}, "kind", "mtu"),
        ({"bridge": 5}, "kind", "bridge"),
        ({"vlan": 4095}, "bounds", "vlan"),
        ({"vlan": -1}, "bounds", "vlan"),
        ({"ipMasqBackend": "ebtables"}, "choice", "ipMasqBackend"),
        ({"vlanTrunk": [{"minID": 5}]}, "vlan-trunk", "vlanTrunk[0]"),
        ({"vlanTrunk": [{"minID": 9, "maxID": 5}]}, "vlan-trunk", "vlanTrunk[0]"),
        ({"vlanTrunk": [{"id": 0}]}, "bounds", "vlanTrunk[0].id"),
        ({"vlanTrunk": [5]}, "kind", "vlanTrunk[0]"),
        ({"bridge": "a-name-that-is-too-long"}, "bridge-name", "bridge"),
        ({"hairpinMode": True, "promiscMode": True}, "hairpin-promisc", "promiscMode"),
        ({"mtu": 60}, "mtu-small", "mtu"),
        ({"disableContainerInterface": True}, "no-interface-ipam", "disableContainerInterface"),
        ({"ipam": ...}, "no-ipam", "ipam"),
        ({"ipam": {}}, "no-ipam", "ipam"),
        ({"runtimeConfig": {}}, "runtime-key", "runtimeConfig"),
        ({"prevResult": {}}, "runtime-key", "prevResult"),
        ({"cni.dev/valid-attachments": []}, "runtime-key", "cni.dev/valid-attachments"),
        ({"dns": {"nameservers": "192.0.2.1"}}, "kind", "dns.nameservers"),
    ],
)
def test_errors_of_the_bridge_plugin(changes: dict[str, Any], code: str, place: str) -> None:
    assert codes(judge(bridge(**changes))) == [(code, f"plugins[0].{place}", ERROR)]


@pytest.mark.parametrize("vlan", [0, 1, 4094])
def test_vlan_bounds_are_included(vlan: int) -> None:
    assert judge(bridge(vlan=vlan)) == []


def test_args_in_a_file_are_a_warning() -> None:
    assert codes(judge(bridge(args={"cni": {}}))) == [("runtime-key", "plugins[0].args", WARNING)]


@pytest.mark.parametrize("destination", ["0.0.0.0/0", "::/0"])
def test_two_default_routes(destination: str) -> None:
    plugin = local(ranges=RANGES, routes=[{"dst": "10.0.0.0/8"}, {"dst": destination}])
    problem = only(judge(plugin))
    assert (problem.code, problem.place) == (
        "default-route-twice",
        "plugins[0].ipam.routes[1]",
    )
    assert "file exists" in problem.message


def test_a_bridge_without_gateway_or_route_is_a_warning() -> None:
    assert codes(judge(bridge(isDefaultGateway=...))) == [
        ("no-gateway", "plugins[0].isDefaultGateway", WARNING)
    ]
    assert codes(judge(bridge(isDefaultGateway=..., isGateway=True))) == [
        ("no-default-route", "plugins[0].isDefaultGateway", WARNING)
    ]


@pytest.mark.parametrize(
    ("plugin", "code", "level"),
    [
        ({"type": "portmap"}, "capability", ERROR),
        ({"type": "portmap", "capabilities": {"portMappings": False}}, "capability", ERROR),
        ({**PORTMAP, "markMasqBit": 13, "externalSetMarkChain": "X"}, "exclusive", ERROR),
        ({**PORTMAP, "markMasqBit": 32}, "bounds", ERROR),
        ({"type": "bandwidth"}, "capability", WARNING),
        ({"type": "bandwidth", "ingressRate": 1000}, "rate-burst", ERROR),
        (
            {"type": "bandwidth", "ingressRate": 1, "ingressBurst": 8 * 2**32},
            "bounds",
            ERROR,
        ),
        ({"type": "firewall", "backend": "nftables"}, "choice", ERROR),
        ({"type": "tuning", "sysctl": {"kernel.shmmax": "1"}}, "sysctl", ERROR),
        ({"type": "vrf"}, "required", ERROR),
    ],
)
def test_errors_of_meta_plugins(plugin: dict[str, Any], code: str, level: str) -> None:
    problem = only(judge(BRIDGE, plugin))
    assert (problem.code, problem.level) == (code, level)
    assert problem.place.startswith("plugins[1]")


def test_the_largest_burst_is_accepted() -> None:
    plugin = {"type": "bandwidth", "egressRate": 1, "egressBurst": 8 * (2**32 - 1)}
    assert judge(BRIDGE, plugin) == []


@pytest.mark.parametrize(
    ("plugin", "code"),
    [
        (PORTMAP, "meta-first"),
        ({"type": "host-local", "ranges": RANGES}, "ipam-as-plugin"),
        ({"type": "win-bridge", "ipam": {"type": "host-local", "ranges": RANGES}}, "windows"),
        ({"type": "vlan", "ipam": {"type": "dhcp"}}, "required"),
        ({"type": "vlan", "master": "eth0", "vlanId": 4095, "ipam": {"type": "dhcp"}}, "bounds"),
        ({"type": "ipvlan", "mode": "l4", "ipam": {"type": "dhcp"}}, "choice"),
        ({"type": "macvlan", "mode": "passthrough", "ipam": {"type": "dhcp"}}, "choice"),
        ({"type": "host-device", "ipam": {"type": "dhcp"}}, "required"),
        ({"type": "macvlan"}, "no-ipam"),
    ],
)
def test_errors_of_other_first_plugins(plugin: dict[str, Any], code: str) -> None:
    assert only(judge(plugin)).code == code


@pytest.mark.parametrize(
    ("head", "code", "level"),
    [
        ({"name": ""}, "name", ERROR),
        ({"name": "a b"}, "name", ERROR),
        ({"cniVersion": ...}, "cni-version-missing", ERROR),
        ({"cniVersion": "1.2.0"}, "cni-version", ERROR),
        ({"cniVersion": "1"}, "cni-version", ERROR),
        ({"cniVersion": "0.3.1"}, "cni-version-old", WARNING),
        ({"disableCheck": "true"}, "kind", ERROR),
    ],
)
def test_errors_of_the_list(head: dict[str, Any], code: str, level: str) -> None:
    problem = only(judge(BRIDGE, **head))
    assert (problem.code, problem.level) == (code, level)


def test_a_product_without_a_version_is_only_a_warning() -> None:
    problem = only(judge({"type": "nsx"}, cniVersion=...))
    assert (problem.code, problem.level) == ("cni-version-missing", WARNING)


def test_version_that_the_runtime_does_not_read() -> None:
    old = Context(newest_spec="1.0.0", runtime="containerd 1.7")
    problem = only(judge(BRIDGE, cniVersion="1.1.0", context=old))
    assert problem.code == "cni-version-runtime"
    assert "containerd 1.7 reads versions up to 1.0.0" in problem.message
    assert judge(BRIDGE, cniVersion="1.1.0") == []


SPOKEN_BEFORE_1_6 = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0")


def test_version_that_a_plugin_of_the_chain_does_not_speak() -> None:
    context = Context(
        plugin_specs={"bridge": (*SPOKEN_BEFORE_1_6, "1.1.0"), "host-local": SPOKEN_BEFORE_1_6}
    )
    problem = only(judge(BRIDGE, cniVersion="1.1.0", context=context))
    assert problem.code == "cni-version-plugin"
    assert "host-local does not speak it" in problem.message
    assert '"cniVersion": "1.0.0"' in problem.remedy


def test_cni_versions_lets_one_file_serve_old_and_new_runtimes() -> None:
    old = Context(newest_spec="1.0.0", plugin_specs={"bridge": SPOKEN_BEFORE_1_6})
    assert judge(BRIDGE, cniVersions=["1.1.0"], context=old) == []
    new = Context(plugin_specs={"bridge": SPOKEN_BEFORE_1_6})
    assert only(judge(BRIDGE, cniVersions=["1.1.0"], context=new)).code == "cni-version-plugin"


def test_the_firewall_plugin_speaks_0_4_0_and_later() -> None:
    problems = judge(BRIDGE, {"type": "firewall"}, cniVersion="0.3.1")
    assert "cni-version-plugin" in [problem.code for problem in problems]


def test_a_key_that_the_installed_plugin_is_too_old_for() -> None:
    old = Context(plugin_specs={"bridge": SPOKEN_BEFORE_1_6})
    problem = only(judge(bridge(portIsolation=True), context=old))
    assert (problem.code, problem.level) == ("key-too-new", WARNING)
    assert "1.7.0" in problem.message
    assert judge(bridge(portIsolation=True)) == []


@pytest.mark.parametrize(
    ("mtu", "uplink", "code"),
    [
        (1500, 1500, None),
        (1501, 1500, "mtu-large"),
        (1450, 1450, None),
        (0, 1500, None),
        (0, 1499, "mtu-unset"),
        (..., 1400, "mtu-unset"),
        (0, 9000, None),
    ],
)
def test_mtu_against_the_uplink(mtu: Any, uplink: int, code: str | None) -> None:
    problems = judge(bridge(mtu=mtu), context=Context(uplink_mtu=uplink))
    assert [problem.code for problem in problems] == ([code] if code else [])


@pytest.mark.parametrize(("mtu", "fine"), [(1279, False), (1280, True)])
def test_ipv6_needs_1280_bytes(mtu: int, fine: bool) -> None:
    six = {"type": "host-local", "ranges": [[{"subnet": "fd00:1::/64"}]]}
    assert (judge(bridge(mtu=mtu, ipam=six)) == []) is fine


def test_a_single_plugin_may_carry_the_keys_of_a_list() -> None:
    text = json.dumps({"cniVersion": "0.4.0", "name": "pods", **BRIDGE})
    assert lint(load("/etc/cni/net.d/10-a.conf", text)) == []
    text = json.dumps({"cniVersion": "0.4.0", "name": "pods", **bridge(isGatway=True)})
    (problem,) = lint(load("/etc/cni/net.d/10-a.conf", text))
    assert problem.place == "isGatway"


def test_every_reference_plugin_has_keys_and_tolerated_ones_are_open() -> None:
    for name in REFERENCE:
        assert "type" in (keys_of(name) or {})
    assert keys_of("calico") is None
    assert keys_of("never-heard-of-it") is None
    assert {"bridge", "ptp", "win-overlay", "vrf", "static", "calico", "flannel"} <= set(PLUGINS)


@pytest.mark.parametrize(
    "value", [None, [], {}, "x" * 10_000, -1, 1e308, [[[]]], {"a": {"b": []}}, [{}], 2**70]
)
def test_hostile_values_raise_nothing_but_a_refusal(value: Any) -> None:
    host_local = {"type": "host-local", "ranges": RANGES}
    for plugin in (
        {"type": "bridge", "bridge": value, "mtu": value, "vlanTrunk": value},
        {"type": "bridge", "isDefaultGateway": value, "capabilities": value, "dns": value},
        {"type": "tuning", "sysctl": value},
        {"type": "bandwidth", "ingressRate": value, "capabilities": value},
        {"type": "flannel", "delegate": value},
        bridge(ipam={**host_local, "ranges": value, "routes": value}),
        bridge(ipam={**host_local, "ranges": [value], "subnet": value}),
        bridge(ipam={**host_local, "ranges": [[value]], "routes": [value]}),
        bridge(ipam={**host_local, "ranges": [[{"subnet": value, "gateway": value}]]}),
        bridge(ipam={**host_local, "routes": [{"dst": value, "gw": value}]}),
        bridge(ipam={"type": "static", "addresses": value}),
    ):
        with suppress(LoadError):
            judge(plugin, context=Context(uplink_mtu=1500, max_pods=110))


@pytest.mark.parametrize(
    ("plugin", "place"),
    [
        ({"type": "../../bin/sh"}, "plugins[0].type"),
        ({"type": "/bin/sh"}, "plugins[0].type"),
        ({"type": ".."}, "plugins[0].type"),
        ({"type": "bridge", "ipam": {"type": "../sh"}}, "plugins[0].ipam.type"),
    ],
)
def test_a_path_in_place_of_a_plugins_name(plugin: dict[str, Any], place: str) -> None:
    body = {"cniVersion": "1.0.0", "name": "n", "plugins": [plugin]}
    found = [problem.place for problem in lint(load("x.conflist", json.dumps(body)))
             if problem.code == "plugin-name"]  # fmt: skip
    assert found == [place]


def test_a_name_with_which_no_result_can_be_kept() -> None:
    for letters, codes in ((174, []), (175, ["name"])):
        body = {"cniVersion": "1.0.0", "name": "n" * letters, "plugins": [{"type": "loopback"}]}
        found = [problem.code for problem in lint(load("x.conflist", json.dumps(body)))]
        assert found == codes
