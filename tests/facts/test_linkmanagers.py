"""What NetworkManager and networkd are told to leave alone."""

from __future__ import annotations

from preflight.facts.linkmanagers import parse_network_file, parse_networkmanager
from preflight.facts.model.network import LinkRule


def test_networkmanager_takes_the_last_list_and_every_device_section() -> None:
    rules = parse_networkmanager(
        [
            ("a", "[keyfile]\nunmanaged-devices=interface-name:gone*\n"),
            (
                "b",
                "[main]\nplugins=keyfile\n[keyfile]\n"
                "unmanaged-devices = interface-name:cali*;type:bridge,interface-name:=tunl0\n"
                "# unmanaged-devices=x\nunmanaged-devices+=interface-name:~lxc*\n",
            ),
            ("c", "[device-x]\nmatch-device=interface-name:veth*\nmanaged=0\n"),
            ("d", "[device-y]\nmatch-device=interface-name:eth*\nmanaged=1\n"),
        ]
    )
    assert rules == (
        LinkRule("c", ("veth*",), managed=False),
        LinkRule("b", ("cali*", "tunl0"), managed=False),
        LinkRule("b", ("lxc*",), managed=False),
    )
    (rule,) = parse_networkmanager([("a", "[keyfile]\nunmanaged-devices=*,except:type:wifi\n")])
    assert rule.patterns == ("*",)


def test_network_files_that_mean_certain_hardware_say_nothing() -> None:
    assert parse_network_file("x", "[Match]\nMACAddress=52:54:00:12:34:56\nName=*\n") is None
    assert parse_network_file("x", "[Match]\nType=wlan\n") is None
    assert parse_network_file("x", "[Network]\nDHCP=yes\n") is None
    assert parse_network_file("x", "[Match]\nName=!e* lo\n") == LinkRule(
        "x", ("e*", "lo"), managed=True, inverted=True
    )
    assert parse_network_file("x", "[Match]\nType=ether\n") == LinkRule("x", ("*",), managed=True)
    assert parse_network_file("x", "[Match]\nName=veth*\n[Link]\nUnmanaged=yes") == LinkRule(
        "x", ("veth*",), managed=False
    )
