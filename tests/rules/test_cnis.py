"""Pod networks: every one of the matrix, with modes, protocols, MTU overhead, what it lays down."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from rules.cluster import CniChoice
from rules.cnis import PROFILES, Mode, Profile, Transport, aliases, find, parse_choice
from rules.errors import UsageError

MODES = [(profile, mode) for profile in PROFILES.values() for mode in profile.modes]


def chosen(text: str) -> tuple[Profile, Mode]:
    return find(parse_choice(text))


def labels(text: str) -> set[str]:
    profile, mode = chosen(text)
    return {
        flow.label
        for flow in profile.flows_in(mode)
        if not flow.optional and not flow.local
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "bridge", "ptp", "vlan", "ipvlan", "macvlan", "host-device", "dhcp", "win-bridge",
        "win-overlay", "flannel", "calico", "canal", "cilium", "weave", "antrea", "nsx-ncp",
        "infoblox", "kube-router", "kube-ovn", "kindnet", "aws-vpc", "gke", "azure",
        "docker-overlay",
    ],
)  # fmt: skip
def test_every_network_of_the_matrix_is_there(name: str) -> None:
    profile, mode = find(CniChoice(name))
    assert profile.name == name
    assert profile.mode("") == mode


@pytest.mark.parametrize(
    ("profile", "mode"), MODES, ids=[f"{profile.name}/{mode.name}" for profile, mode in MODES]
)
def test_every_mode_is_well_formed(profile: Profile, mode: Mode) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", mode.name)
    assert mode.title
    assert profile.title
    for url in (profile.source, mode.source or profile.source):
        assert re.fullmatch(r"https://[a-z0-9.-]+/\S*", url)
    for overhead in (mode.overhead_v4, mode.overhead_v6):
        assert overhead is None or 0 <= overhead <= 200
    assert mode.overhead_v4 is not None
    if mode.transport in (Transport.LINK, Transport.CLOUD):
        assert (mode.overhead_v4, mode.overhead_v6) == (0, 0)
    if mode.transport is Transport.TUNNEL:
        assert mode.flows
        assert mode.overhead_v4 > 0
    names = [flow.id for flow in profile.flows_in(mode)]
    assert len(names) == len(set(names))
    for flow in profile.flows_in(mode):
        assert flow.id.startswith(f"{profile.name}-")
    assert all(path.startswith("/") for path in profile.files)
    assert not set(profile.modules_in(mode)) & set(profile.options_in(mode))
    narrowed = profile.narrowed(mode)
    assert ("br_netfilter" in profile.modules_in(mode)) == narrowed.linux_bridge


def test_mode_names_and_aliases_lead_to_one_mode_only() -> None:
    for profile in PROFILES.values():
        words = [word for mode in profile.modes for word in (mode.name, *mode.aliases)]
        assert len(words) == len(set(words)), profile.name
        assert profile.default_mode or len(profile.modes) > 0
        assert profile.mode("") in profile.modes
    words = [word for name in PROFILES for word in (name, *aliases(name))]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("choice", "v4", "v6"),
    [
        ("bridge", 0, 0),
        ("win-overlay", 50, None),
        ("flannel", 50, 70),
        ("flannel/udp", 28, None),
        ("flannel/wireguard", 80, 80),
        ("flannel/host-gw", 0, 0),
        ("flannel/ipsec", 77, None),
        ("cilium/vxlan", 50, 70),
        ("cilium/geneve", 50, 70),
        ("cilium/native", 0, 0),
        ("cilium/wireguard", 130, 150),
        ("cilium/native-wireguard", 80, 80),
        ("cilium/ipsec", 127, 147),
        ("cilium/native-ipsec", 77, 77),
        ("calico/bgp", 0, 0),
        ("calico/ipip", 20, None),
        ("calico/vxlan", 50, 70),
        ("calico/wireguard", 60, 80),
        ("canal", 50, 70),
        ("canal/wireguard", 60, 80),
        ("weave", 87, None),
        ("antrea", 50, 70),
        ("antrea/gre", 42, None),
        ("antrea/ipsec", 88, 108),
        ("antrea/wireguard", 60, 80),
        ("kube-router", 20, 40),
        ("kube-ovn", 100, 100),
        ("kube-ovn/vxlan", 50, 70),
        ("docker-overlay", 50, None),
        ("nsx-ncp", 0, 0),
        ("aws-vpc", 0, 0),
    ],
)
def test_mtu_overhead(choice: str, v4: int, v6: int | None) -> None:
    _, mode = chosen(choice)
    assert (mode.overhead(4), mode.overhead(6)) == (v4, v6)
    assert mode.pod_mtu(1500) == 1500 - v4
    assert mode.pod_mtu(1500, 6) == (None if v6 is None else 1500 - v6)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("bridge", set()),
        ("ptp", set()),
        ("host-device", set()),
        ("flannel", {"8472/udp"}),
        ("flannel/windows", {"4789/udp"}),
        ("flannel/udp", {"8285/udp"}),
        ("flannel/ipsec", {"500/udp", "4500/udp", "protocol 50 (esp)"}),
        ("win-overlay", {"4789/udp"}),
        ("calico", {"4789/udp", "179/tcp", "5473/tcp"}),
        ("calico/ipip", {"protocol 4 (ipip)", "179/tcp", "5473/tcp"}),
        ("calico/vxlan", {"4789/udp", "5473/tcp"}),
        ("cilium", {"8472/udp", "4240/tcp"}),
        ("cilium/geneve", {"6081/udp", "4240/tcp"}),
        ("cilium/native-wireguard", {"51871/udp", "4240/tcp"}),
        ("cilium/native-ipsec", {"protocol 50 (esp)", "4240/tcp"}),
        ("weave", {"6783/tcp", "6783/udp", "6784/udp"}),
        ("weave/encrypted", {"6783/tcp", "6783/udp", "6784/udp", "protocol 50 (esp)"}),
        ("antrea", {"6081/udp", "10349/tcp", "10350/tcp", "10351/tcp", "10351/udp"}),
        ("antrea/gre", {"protocol 47 (gre)", "10349/tcp", "10350/tcp", "10351/tcp", "10351/udp"}),
        ("kube-router", {"protocol 4 (ipip)", "protocol 41 (ipv6)", "179/tcp"}),
        ("kube-router/fou", {"5555/udp", "179/tcp"}),
        ("docker", {"2377/tcp", "7946/tcp", "7946/udp", "4789/udp"}),
        ("nsx-ncp", set()),
        ("infoblox", set()),
        ("aws-vpc", set()),
    ],
)
def test_what_passes_between_nodes(choice: str, expected: set[str]) -> None:
    assert labels(choice) == expected


@pytest.mark.parametrize(
    ("name", "conf_file", "binary"),
    [
        ("flannel", "10-flannel.conflist", "flannel"),
        ("calico", "10-calico.conflist", "calico-ipam"),
        ("canal", "10-canal.conflist", "calico"),
        ("cilium", "05-cilium.conflist", "cilium-cni"),
        ("weave", "10-weave.conflist", "weave-net"),
        ("antrea", "10-antrea.conflist", "antrea"),
        ("nsx-ncp", "10-nsx.conflist", "nsx"),
        ("infoblox", "infoblox-ipam.conf", "infoblox"),
        ("kube-router", "10-kuberouter.conflist", "bridge"),
        ("kindnet", "10-kindnet.conflist", "ptp"),
        ("bridge", "10-nodeprep.conflist", "bridge"),
    ],
)
def test_what_it_lays_down(name: str, conf_file: str, binary: str) -> None:
    assert conf_file in PROFILES[name].conf_files
    assert binary in PROFILES[name].binaries


def test_ports_that_are_not_of_nodes_are_told_apart() -> None:
    def elsewhere(name: str) -> dict[str, str]:
        return {flow.label: flow.receiver for flow in PROFILES[name].elsewhere}

    nsx, infoblox = elsewhere("nsx-ncp"), elsewhere("infoblox")
    assert nsx["443/tcp"] == "NSX Manager"
    assert {"1234/tcp", "1235/tcp", "6081/udp", "3784-3785/udp", "2345/tcp"} <= set(nsx)
    assert infoblox["443/tcp"] == "Grid Master"


def test_a_bridge_only_where_the_mode_has_one() -> None:
    assert chosen("infoblox/bridge")[0].linux_bridge
    assert not chosen("infoblox")[0].linux_bridge
    assert not PROFILES["infoblox"].linux_bridge
    assert chosen("bridge")[0].linux_bridge
    assert not chosen("calico")[0].linux_bridge


def test_reverse_path_filter_values() -> None:
    assert PROFILES["calico"].rp_filter == (0, 1)
    assert PROFILES["cilium"].rp_filter == (0, 2)
    assert PROFILES["bridge"].rp_filter == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flannel", CniChoice("flannel")),
        (" Flannel/VXLAN ", CniChoice("flannel", "vxlan")),
        ("kube-flannel/host-gw", CniChoice("flannel", "host-gw")),
        ("aws", CniChoice("aws-vpc")),
        ("cnm", CniChoice("docker-overlay")),
        ("unheard-of/x", CniChoice("unheard-of", "x")),
    ],
)
def test_parse_choice(text: str, expected: CniChoice) -> None:
    assert parse_choice(text) == expected


@pytest.mark.parametrize("text", ["", " ", "/", "/vxlan", "flannel/", "flannel/a/b"])
def test_what_is_no_choice_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="NAME or NAME/MODE"):
        parse_choice(text)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (CniChoice("flanel"), "no pod network is called 'flanel'; the nearest is 'flannel'"),
        (CniChoice("zzzz"), "no pod network is called 'zzzz'; known are bridge, "),
        (CniChoice("flannel", "vxlam"), "no mode of flannel is called 'vxlam'; the nearest is"),
        (CniChoice("calico", "qqq"), "no mode of calico is called 'qqq'; known are vxlan-cross"),
    ],
)
def test_an_unknown_name_or_mode_names_the_nearest(choice: CniChoice, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(choice)
    assert str(caught.value).startswith(message)


def test_an_alias_and_a_mode_s_alias_are_found() -> None:
    profile, mode = find(CniChoice("kube-flannel", "rke2"))
    assert (profile.name, mode.name) == ("flannel", "vxlan-4789")


def test_only_the_wanted_network_is_loaded() -> None:
    code = (
        "import sys; from rules import cnis; from rules.cluster import CniChoice;"
        "cnis.find(CniChoice('flannel'));"
        "print(*sorted(m for m in sys.modules if m.startswith('rules.cnis.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["rules.cnis.flannel", "rules.cnis.profile", "rules.cnis.rows"]
