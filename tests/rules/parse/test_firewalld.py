"""firewalld's files: zones, policies, services, rich rules; broken and hostile files."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from rules.errors import ConfigError
from rules.parse.firewalld import parse_firewalld
from rules.ruleset import Ruleset, Unsupported
from rules.space import Packet, Space
from tests.rules.render.judge import Judge

V4, V6 = ip_address("198.51.100.1"), ip_address("2001:db8:ffff::1")
INSIDE, OUTSIDE = "192.0.2.7", "203.0.113.7"
SERVICES = {
    "services/ssh.xml": '<service><port protocol="tcp" port="22"/></service>',
    "services/dhcpv6-client.xml": (
        '<service><port protocol="udp" port="546"/><destination ipv6="fe80::/64"/></service>'
    ),
    "services/both.xml": '<service><include service="ssh"/><protocol value="esp"/></service>',
}


def judged(zone: str, *, hook: str = "input", **more: str) -> Space:
    ruleset = parse_firewalld({"zones/public.xml": zone, **SERVICES, **more})
    return Judge(ruleset, hook, V4).admitted()


def lets_in(space: Space, source: str, protocol: int, port: int = 0) -> bool:
    return Packet(4, protocol, ip_address(source), port) in space


def test_a_plain_zone_lets_in_its_services_ports_and_icmp() -> None:
    found = judged(
        '<zone><service name="both"/><port protocol="udp" port="5000-5010"/>'
        '<icmp-block name="echo-request"/></zone>'
    )
    assert lets_in(found, OUTSIDE, 6, 22)
    assert lets_in(found, OUTSIDE, 50)
    assert lets_in(found, OUTSIDE, 17, 5010)
    assert not lets_in(found, OUTSIDE, 17, 5011)
    assert lets_in(found, OUTSIDE, 1, 3)
    assert not lets_in(found, OUTSIDE, 1, 8)


def test_a_zone_is_chosen_by_source_before_interface_and_default() -> None:
    inner = '<zone target="ACCEPT"><source address="192.0.2.0/24"/><source ipset="more"/></zone>'
    found = judged(
        '<zone target="DROP"/>',
        **{
            "zones/inner.xml": inner,
            "ipsets/more.xml": '<ipset type="hash:net"><entry>198.18.0.0/15</entry></ipset>',
            "zones/wire.xml": '<zone><interface name="eth1"/><service name="ssh"/></zone>',
        },
    )
    assert lets_in(found, INSIDE, 6, 12345)
    assert lets_in(found, "198.19.0.1", 17, 9)
    assert not lets_in(found, OUTSIDE, 6, 22)
    by_wire = '<zone><interface name="eth0"/><port protocol="tcp" port="1"/></zone>'
    assert lets_in(judged("<zone/>", **{"zones/wire.xml": by_wire}), OUTSIDE, 6, 1)


def test_rich_rules_are_sorted_by_priority_and_deny_comes_before_allow() -> None:
    allow = '<rule family="ipv4"><port protocol="tcp" port="80"/><accept/></rule>'
    deny = '<rule family="ipv4"><source address="192.0.2.0/24"/><drop/></rule>'
    early = (
        '<rule family="ipv4" priority="-5"><source address="192.0.2.7"/>'
        '<port protocol="tcp" port="80"/><accept/></rule>'
    )
    found = judged(f"<zone>{allow}{deny}{early}</zone>")
    assert lets_in(found, OUTSIDE, 6, 80)
    assert lets_in(found, INSIDE, 6, 80)
    assert not lets_in(found, "192.0.2.8", 6, 80)
    inverted = '<rule family="ipv4"><source invert="True" address="192.0.2.0/24"/><drop/></rule>'
    found = judged(f"<zone>{allow}{inverted}</zone>")
    assert lets_in(found, INSIDE, 6, 80)
    assert not lets_in(found, OUTSIDE, 6, 80)


def test_policies_stand_around_the_zone_by_priority() -> None:
    refuse = (
        '<policy target="DROP" priority="{}"><ingress-zone name="ANY"/><egress-zone name="HOST"/>'
        "</policy>"
    )
    zone = '<zone><service name="ssh"/></zone>'
    assert not judged(zone, **{"policies/a.xml": refuse.format(-1)})
    after = judged(zone, **{"policies/a.xml": refuse.format(1)})
    assert lets_in(after, OUTSIDE, 6, 22)
    assert not lets_in(after, OUTSIDE, 1, 3)
    forward = refuse.format(-1).replace("HOST", "ANY").replace("DROP", "ACCEPT")
    assert lets_in(judged(zone, hook="forward", **{"policies/a.xml": forward}), OUTSIDE, 6, 1)
    assert not judged(zone, hook="forward")


def test_a_service_with_a_destination_is_of_that_family() -> None:
    files = {"zones/public.xml": '<zone target="DROP"><service name="dhcpv6-client"/></zone>'}
    ruleset = parse_firewalld({**files, **SERVICES})
    assert not Judge(ruleset, "input", V4).admitted()
    assert not Judge(ruleset, "input", V6).admitted()
    assert Judge(ruleset, "input", ip_address("fe80::1")).admitted()


def texts(ruleset: Ruleset) -> set[str]:
    return {
        match.text
        for table in ruleset.tables
        for chain in table.chains.values()
        for rule in chain.rules
        for match in rule.matches
        if isinstance(match, Unsupported)
    }


def test_what_it_cannot_tell_is_named() -> None:
    found = texts(
        parse_firewalld(
            {
                "zones/public.xml": (
                    '<zone><service name="nowhere"/><rule><source mac="52:54:00:12:34:56"/>'
                    "<accept/></rule><rule><port protocol='tcp' port='1'/><accept>"
                    '<limit value="1/s"/></accept></rule><rule family="ipv4">'
                    '<source ipset="moves"/><accept/></rule></zone>'
                ),
                "policies/named.xml": (
                    '<policy target="ACCEPT"><ingress-zone name="public"/>'
                    '<egress-zone name="HOST"/></policy>'
                ),
                "ipsets/moves.xml": (
                    '<ipset type="hash:net"><option name="timeout" value="60"/></ipset>'
                ),
            }
        )
    )
    assert any("service nowhere" in text for text in found)
    assert any("52:54:00:12:34:56" in text for text in found)
    assert any("limit" in text for text in found)
    assert any("ipset moves" in text for text in found)
    assert any("policy named" in text for text in found)
    assert any("zone public" in text for text in texts(parse_firewalld({})))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("zones/public.xml", "<zone>", "is not XML"),
        ("zones/public.xml", "<policy/>", "not a <zone>"),
        ("services/x.xml", '<!DOCTYPE a [<!ENTITY b "c">]><service/>', "entities"),
        ("policies/x.xml", '<policy priority="first"/>', "priority"),
        ("ipsets/x.xml", '<ipset type="hash:net"><entry>x</entry></ipset>', "x"),
    ],
)
def test_broken_files_are_named(name: str, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        parse_firewalld({name: text})
    assert str(caught.value).startswith(name)
