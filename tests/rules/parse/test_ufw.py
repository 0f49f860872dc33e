"""ufw's files: policies, its own chains, lines as people write them; broken files."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from rules.errors import ConfigError
from rules.parse.handwritten import canonical
from rules.parse.ufw import parse_ufw
from rules.render.ufw import put, take_out
from rules.space import Packet
from tests.rules.render.judge import Judge
from tests.rules.render.readback import UFW_EMPTY

HERE = ip_address("198.51.100.1")


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        (
            "-A c -p tcp --dport 6443 -s 192.0.2.0/24 -j ACCEPT",
            "-A c -p tcp -s 192.0.2.0/24 -m tcp --dport 6443 -j ACCEPT",
        ),
        (
            "-A c -p icmp --icmp-type echo-request -j ACCEPT",
            "-A c -p icmp -m icmp --icmp-type 8 -j ACCEPT",
        ),
        (
            "-A c -p icmpv6 --icmpv6-type neighbor-solicitation -m hl --hl-eq 255 -j ACCEPT",
            "-A c -p icmpv6 -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -j ACCEPT",
        ),
        (
            "-A c -p udp -m udp --sport 67 --dport 68 -j ACCEPT",
            "-A c -p udp -m udp --sport 67 --dport 68 -j ACCEPT",
        ),
        (
            '-I c -m conntrack --ctstate INVALID -j LOG --log-prefix "[UFW \\"x\\"] " -m limit '
            "--limit 3/min",
            "-I c -m conntrack --ctstate INVALID -m limit --limit 3/min -j LOG --log-prefix "
            '"[UFW \\"x\\"] "',
        ),
        ("-A c ! -s 10.0.0.0/8 -j DROP", "-A c ! -s 10.0.0.0/8 -j DROP"),
        (
            "-A c -p tcp -m comment --comment x --dport 80 -j DROP",
            "-A c -p tcp -m tcp --dport 80 -m comment --comment x -j DROP",
        ),
    ],
)
def test_a_line_as_people_write_it(written: str, printed: str) -> None:
    assert canonical(written, 6 if "icmpv6" in written else 4) == printed


def test_policies_come_from_the_defaults() -> None:
    def lets_in(defaults: str, family: int = 4) -> bool:
        ruleset = parse_ufw({"/etc/default/ufw": defaults}, family)
        to = HERE if family == 4 else ip_address("2001:db8::1")
        return bool(Judge(ruleset, "input", to).admitted())

    assert not lets_in("")
    assert not lets_in('DEFAULT_INPUT_POLICY="REJECT"')
    assert lets_in('# DEFAULT_INPUT_POLICY="DROP"\nDEFAULT_INPUT_POLICY="ACCEPT"')
    assert lets_in("DEFAULT_INPUT_POLICY=ACCEPT", 6)
    assert not lets_in("IPV6=no\nDEFAULT_INPUT_POLICY=ACCEPT", 6)


def test_files_stand_in_ufws_order() -> None:
    before = UFW_EMPTY.replace(
        "COMMIT", "-A ufw-before-input -p tcp --dport 22 -s 192.0.2.7 -j DROP\nCOMMIT"
    )
    user = (
        "*filter\n:ufw-user-input - [0:0]\n### RULES ###\n"
        "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n"
        "-A ufw-user-input -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
    )
    nat = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j ACCEPT\nCOMMIT\n"
    ruleset = parse_ufw({"before.rules": nat + before, "user.rules": user}, 4)
    found = Judge(ruleset, "input", HERE).admitted()
    assert Packet(4, 6, ip_address("192.0.2.8"), 22) in found
    assert Packet(4, 6, ip_address("192.0.2.7"), 22) not in found
    assert Packet(4, 6, ip_address("192.0.2.8"), 23) not in found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-A ufw-before-input -j ACCEPT\n", "before.rules:1: a rule stands outside"),
        ("*filter\n-A nowhere -j ACCEPT\nCOMMIT\n", "before.rules:2: is no rule"),
        ('*filter\n-A ufw-before-input -m comment --comment "x\nCOMMIT\n', "before.rules:2"),
        ("*filter\n-D ufw-before-input -j ACCEPT\nCOMMIT\n", "before.rules:2"),
    ],
)
def test_broken_files_are_named_with_the_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_ufw({"before.rules": text}, 4)


def test_a_line_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="limit ssh"):
        parse_ufw({}, 4, commands=["ufw limit ssh"])


BLOCK = "# BEGIN nodeprep 1: x\n-A ufw-before-input -j ACCEPT\n# END nodeprep\n"


def test_the_block_goes_in_once_and_comes_out_again() -> None:
    once = put(UFW_EMPTY, BLOCK)
    assert once.splitlines()[4] == "# BEGIN nodeprep 1: x"
    assert put(once, BLOCK) == once
    assert put(once, BLOCK.replace("ACCEPT", "DROP")).count("BEGIN") == 1
    assert take_out(once) == UFW_EMPTY
    assert put(once, "") == UFW_EMPTY


def test_the_block_goes_into_the_filter_table_alone() -> None:
    nat = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j ACCEPT\nCOMMIT\n"
    once = put(nat + UFW_EMPTY, BLOCK)
    assert once.startswith(nat)
    assert take_out(once) == nat + UFW_EMPTY
    rules_first = "*filter\n:a - [0:0]\n-A a -j DROP\n:b - [0:0]\nCOMMIT\n"
    assert put(rules_first, BLOCK).index("BEGIN") < rules_first.index("-A a") + 20
    script = "#!/bin/sh\nset -e\n"
    assert put(script, BLOCK) == f"#!/bin/sh\n{BLOCK}set -e\n"


def test_a_file_without_a_filter_table_has_no_place_for_it() -> None:
    with pytest.raises(ConfigError, match="no filter table"):
        put("*nat\nCOMMIT\n", BLOCK, source="/etc/ufw/before.rules")
