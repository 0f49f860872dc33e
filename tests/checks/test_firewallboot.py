from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.firewall import FilterTable
from preflight.finding import Finding, Status
from rules.cluster import Role
from tests.nodes import healthy, judge, runtime, system, target
from tests.nodes.firewall import firewall, table

NO_SYSTEMD = Unknown("absent", "systemd does not run here")
HAND_NFT = table("nft", "mine", "inet", hand=2)
HAND = table("iptables-nft", hand=1)
HAND_LEGACY = table("iptables-legacy", hand=3)
HAND_LEGACY_V6 = table("ip6tables-legacy", hand=3)


def facts(*tables: FilterTable, **managers: Any) -> Facts:
    return replace(healthy(), firewall=firewall(*tables, **managers))


def found(node: Facts, role: Role = Role.MASTER) -> list[Finding]:
    every = judge("firewall-persistent", node, target(role))
    return [each for each in every if each.status is not Status.PASS]


def unmanaged(*tables: FilterTable) -> Facts:
    node = firewall(*tables)
    return replace(healthy(), firewall=replace(node, managers=NO_SYSTEMD))


@pytest.mark.parametrize("role", list(Role))
def test_no_rules(role: Role) -> None:
    (only,) = judge("firewall-persistent", healthy(), target(role))
    assert (only.status, only.message) == (Status.PASS, "no rule is made by hand")


@pytest.mark.parametrize(
    "of",
    [
        table("iptables-nft", docker=4, drop="FORWARD"),
        table("iptables-nft", kubernetes=4),
        table("iptables-legacy", kubernetes=4, calico=7, libvirt=1),
        table("nft", "kube-proxy", kubernetes=5),
        table("nft", "calico", drop="INPUT"),
        table("iptables-nft"),
    ],
    ids=str,
)
def test_what_programs_make_anew_does_not_count(of: FilterTable) -> None:
    assert found(facts(of)) == []
    assert found(unmanaged(of)) == []


@pytest.mark.parametrize(
    ("of", "loader", "enough"),
    [
        (HAND_NFT, "nftables", True),
        (HAND_NFT, "netfilter_persistent", False),
        (HAND_NFT, "iptables", False),
        (HAND, "nftables", True),
        (HAND, "netfilter_persistent", True),
        (HAND, "iptables", True),
        (HAND, "ip6tables", False),
        (HAND_LEGACY, "nftables", False),
        (HAND_LEGACY, "iptables", True),
        (HAND_LEGACY_V6, "iptables", False),
        (HAND_LEGACY_V6, "ip6tables", True),
        (HAND_LEGACY_V6, "netfilter_persistent", True),
    ],
)
def test_who_loads_at_boot_what_was_made_by_hand(
    of: FilterTable, loader: str, enough: bool
) -> None:
    (only,) = found(facts(of))
    assert (only.subject, only.status) == (of.label, Status.WARN)
    assert bool(found(facts(of, **{loader: "active+enabled"}))) is not enough
    assert found(facts(of, **{loader: "active"}))


def test_it_is_said_that_something_loads_them() -> None:
    (only,) = judge("firewall-persistent", facts(HAND_NFT, nftables="active+enabled"))
    assert only.message == "rules made by hand are loaded at boot: inet mine (nft)"


def test_how_it_is_said() -> None:
    of = table("iptables-legacy", drop="INPUT", hand=2)
    (only,) = found(facts(of))
    assert only.message == (
        "nothing loads at boot what was made by hand in ip filter (iptables-legacy), 2 rules and "
        "the policy DROP of INPUT"
    )
    (only,) = found(facts(table("iptables-nft", drop="INPUT", kubernetes=3)))
    assert only.message.endswith("(iptables-nft), the policy DROP of INPUT")
    # Docker explains the policy of FORWARD and of nothing else.
    assert found(facts(table("iptables-nft", drop="INPUT", docker=3)))
    assert found(facts(table("iptables-nft", drop="FORWARD", kubernetes=3)))


@pytest.mark.parametrize(
    ("of", "os_id", "remedy"),
    [
        (
            HAND_NFT,
            "debian",
            "nft list table inet mine >> /etc/nftables.conf && systemctl enable nftables.service",
        ),
        (
            HAND_NFT,
            "rocky",
            "nft list table inet mine >> /etc/sysconfig/nftables.conf && "
            "systemctl enable nftables.service",
        ),
        (
            HAND_NFT,
            "alpine",
            "nft list table inet mine >> /etc/nftables.conf && rc-update add nftables",
        ),
        (
            HAND,
            "ubuntu",
            "DEBIAN_FRONTEND=noninteractive apt-get install -y iptables-persistent && "
            "iptables-nft-save > /etc/iptables/rules.v4 && "
            "systemctl enable netfilter-persistent.service",
        ),
        (
            HAND_LEGACY_V6,
            "rhel",
            "dnf install -y iptables-services && "
            "ip6tables-legacy-save > /etc/sysconfig/ip6tables && "
            "systemctl enable ip6tables.service",
        ),
        (
            HAND,
            "flatcar",
            "keep the rules made by hand (as iptables-nft-save prints them) in a file that a "
            "service of yours loads at boot",
        ),
        (
            table("iptables-nft", hand=1, docker=2, kubernetes=9),
            "debian",
            "keep the rules made by hand (as iptables-nft-save prints them, without those of "
            "docker and kubernetes) in a file that a service of yours loads at boot",
        ),
        (
            table("nft", "x;reboot", "inet $(id)", hand=1),
            "debian",
            "nft list table 'inet $(id)' 'x;reboot' >> /etc/nftables.conf && "
            "systemctl enable nftables.service",
        ),
    ],
)
def test_what_keeps_them(of: FilterTable, os_id: str, remedy: str) -> None:
    node = replace(facts(of), system=replace(system.healthy(), os_id=os_id))
    (only,) = found(node)
    assert only.remedy == remedy


def test_without_nft_it_is_installed_first() -> None:
    sound = runtime.healthy()
    without = replace(sound, executables={**sound.executables, "nft": ""})
    (only,) = found(replace(facts(HAND_NFT), runtime=without))
    assert only.remedy.startswith("apt-get install -y nftables && nft list table")


@pytest.mark.parametrize("name", ["firewalld", "nftables", "netfilter-persistent", "ip6tables"])
def test_a_manager_that_sleeps_until_the_next_boot(name: str) -> None:
    key = name.replace("-", "_")
    (only,) = found(facts(**{key: "enabled"}))
    assert (only.subject, only.status) == (name, Status.WARN)
    assert only.remedy == f"systemctl disable {name}.service"
    assert found(facts(**{key: "active+enabled"})) == []
    assert found(facts(**{key: "active"})) == []


UFW = table("iptables-nft", drop="INPUT", ufw=6)


@pytest.mark.parametrize(
    ("tables", "conf", "unit", "remedy"),
    [
        ((), None, "", ""),
        # As Debian installs it: the unit is enabled, ufw itself is not.
        ((), False, "active+enabled", ""),
        ((), True, "active+enabled", "systemctl disable ufw.service"),
        ((), True, "", ""),
        ((UFW,), True, "active+enabled", ""),
        ((UFW,), False, "active+enabled", "ufw --force enable"),
        ((UFW,), True, "active", "systemctl enable ufw.service"),
    ],
)
def test_ufw(tables: tuple[FilterTable, ...], conf: bool | None, unit: str, remedy: str) -> None:
    assert [each.remedy for each in found(facts(*tables, ufw=conf, ufw_unit=unit))] == [
        *([remedy] if remedy else [])
    ]


def test_rules_of_firewalld_and_of_nodeprep_need_their_units() -> None:
    of = table("nft", "firewalld", "inet", firewalld=9)
    (only,) = found(facts(of, firewalld="active"))
    assert only.remedy == "systemctl enable firewalld.service"
    assert found(facts(of, firewalld="active+enabled")) == []
    of = table("nft", "nodeprep", "inet", drop="INPUT", nodeprep=9)
    (only,) = found(facts(of))
    assert only.remedy == "nodeprep firewall confirm"
    # Its rules are loaded by apply, and by the unit at boot only.
    assert found(facts(of, nodeprep_firewall="enabled")) == []
    of = replace(table("nft", "nodeprep_pods", "ip"), makers={"nodeprep's pod network": 2})
    (only,) = found(facts(of))
    assert only.remedy == "systemctl enable nodeprep-pods.service"
    assert found(facts(of, nodeprep_pods="enabled")) == []


def test_without_a_service_manager_nobody_can_tell() -> None:
    (only,) = found(unmanaged(HAND))
    assert only.status is Status.UNKNOWN
    assert only.message.endswith("systemd does not run here")


def test_one_that_cannot_be_read_does_not_hide_the_other() -> None:
    denied = Unknown("denied", "no")
    node = firewall(HAND_LEGACY)
    both = found(replace(healthy(), firewall=replace(node, tables=denied)))
    assert [(each.subject, each.status) for each in both] == [
        ("nft", Status.UNKNOWN),
        (HAND_LEGACY.label, Status.WARN),
    ]
    assert both[0].remedy == "run nodeprep as root"
    hidden = replace(
        firewall(ufw=True, ufw_unit="active+enabled"), tables=denied, legacy_tables=denied
    )
    assert {each.subject for each in found(replace(healthy(), firewall=hidden))} == {
        "nft",
        "legacy",
    }
