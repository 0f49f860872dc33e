"""From one table to another: sets first, then all rules at one moment."""

from __future__ import annotations

from rules.backend.nfttable import CLEAR, normal, parse_table, steps

RENDERED = """\
#!/usr/sbin/nft -f
# nodeprep
add table inet nodeprep
delete table inet nodeprep
table inet nodeprep {
	set admins_v4_aaaa {
		type ipv4_addr
		flags interval
		elements = {
			10.0.0.0/8, 192.0.2.1,
			192.0.2.9,
		}
	}

	chain input {
		type filter hook input priority filter - 5; policy accept;
		ip saddr @admins_v4_aaaa tcp dport 22 accept comment "nodeprep:ssh"
	}

	chain forward {
		type filter hook forward priority filter - 5; policy accept;
	}
}
"""
LISTED = """\
table inet nodeprep {
	set old_v4_bbbb {
		type ipv4_addr
		flags interval
		elements = { 10.1.0.0/16 }
	}

	set admins_v4_aaaa {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/8, 192.0.2.1,
				192.0.2.9 }
	}

	chain input {
		type filter hook input priority filter - 5; policy accept;
		ip saddr @old_v4_bbbb tcp dport 22 accept
	}

	chain other {
	}
}
"""


def test_taken_apart_and_put_together() -> None:
    table = parse_table(LISTED)
    assert table is not None
    assert list(table.sets) == ["old_v4_bbbb", "admins_v4_aaaa"]
    assert list(table.chains) == ["input", "other"]
    assert normal(normal(LISTED)) == normal(LISTED) != LISTED
    assert sorted(normal(LISTED).splitlines()) == sorted(LISTED.splitlines())


def test_a_first_load_has_its_sets_before_its_rules() -> None:
    sets, rules = steps("", RENDERED)
    assert "set admins_v4_aaaa {" in sets
    assert "chain" not in sets
    assert "set admins" not in rules
    assert rules.startswith("table inet nodeprep {\n\tchain input {\n")


def test_sets_that_stay_are_not_touched() -> None:
    (switch,) = steps(LISTED, RENDERED)
    assert switch.splitlines()[:3] == [
        "flush chain inet nodeprep input",
        "flush chain inet nodeprep other",
        "delete chain inet nodeprep other",
    ]
    assert switch.endswith("}\ndelete set inet nodeprep old_v4_bbbb\n")
    assert "elements" not in switch


def test_what_somebody_changed_is_replaced_at_once() -> None:
    whole = (CLEAR + RENDERED[RENDERED.index("table inet nodeprep {") :],)
    changed_set = LISTED.replace("192.0.2.9 }", "192.0.2.10 }")
    changed_hook = LISTED.replace("filter - 5", "filter + 5")
    strange = LISTED.replace("\tchain other {\n\t}\n", "\tcounter mine {\n\t}\n")
    for live in (changed_set, changed_hook, strange, "table inet nodeprep {\n"):
        assert steps(live, RENDERED) == whole
    assert normal(strange) == strange


def test_nothing_wanted_is_no_table() -> None:
    assert steps(LISTED, "") == steps("", "") == (CLEAR,)
