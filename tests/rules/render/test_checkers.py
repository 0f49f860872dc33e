"""What is rendered, before the eyes of the programs that are to load it, in namespaces."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from rules.cluster import Role
from rules.parse.firewalld import parse_firewalld
from rules.policy import policy
from rules.render import Artefact, Posture, render
from rules.render.firewalld import for_version
from rules.render.ufw import put
from tests.rules.render.clusters import POSTURES, all_networks_at_once, cluster
from tests.rules.render.inside import inside, lay_down
from tests.rules.render.judge import Judge
from tests.rules.render.readback import firewalld_files
from tests.rules.render.test_hostile import HOSTILE, spoiled

pytestmark = pytest.mark.kernel


def variants(target: str, directory: Path) -> list[Path]:
    """Every role and posture with all pod networks, and one with hostile words."""
    made = []
    for role in Role:
        for posture in POSTURES:
            chosen = all_networks_at_once(role)
            made.append((f"{role}-{posture}", render(target, chosen, posture, version="1.2.3")))
    chosen = spoiled(all_networks_at_once(Role.WORKER), HOSTILE)
    made.append(("hostile", render(target, chosen, Posture.ENFORCE, version=HOSTILE[3])))
    return [lay_down(artefact, directory / name) for name, artefact in made]


def test_nft_loads_each_twice_and_shows_what_was_asked(tmp_path: Path) -> None:
    places = variants("nftables", tmp_path)
    shown = inside(
        """
        for place in */; do
            nft -c -f "$place/nodeprep.nft"
            nft -f "$place/nodeprep.nft"
            nft -f "$place/nodeprep.nft"
            nft list tables
            nft list table inet nodeprep | grep -c 'comment "nodeprep:'
        done
        """,
        tmp_path,
    )
    lines = shown.splitlines()
    assert lines[0::2] == ["table inet nodeprep"] * len(places)
    rules = [
        (place / "nodeprep.nft").read_text().count('comment "nodeprep:') for place in sorted(places)
    ]
    assert list(map(int, lines[1::2])) == rules


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_iptables_loads_each_twice_and_nothing_else_changes(backend: str, tmp_path: Path) -> None:
    for target in ("iptables", "ip6tables"):
        variants(target, tmp_path)
    shown = inside(
        f"""
        for family in '' 6; do
            tool=ip${{family}}tables-{backend}
            $tool -A INPUT -p tcp --dport 9 -m comment --comment theirs -j ACCEPT
            $tool -A FORWARD -j ACCEPT
            $tool -N NODEPREP-OTHER
            for place in */; do
                if [ -e "$place/nodeprep$family.ipset" ]; then
                    ipset restore -file "$place/nodeprep$family.ipset"
                    ipset restore -file "$place/nodeprep$family.ipset"
                fi
                $tool-restore --test --noflush "$place/nodeprep$family.rules"
                $tool-restore --noflush "$place/nodeprep$family.rules"
                $tool-restore --noflush "$place/nodeprep$family.rules"
                $tool-save -t filter | grep -v '^#' | grep -c -- '-A NODEPREP-' || true
                grep -c -- '^-A NODEPREP-' "$place/nodeprep$family.rules"
                $tool-save -t filter | grep -v '^#' | grep -v 'NODEPREP-[IF]' | grep -c .
            done
        done
        ipset list -name | grep -c -- '-t$' || true
        """,
        tmp_path,
    )
    *counts, leftovers = shown.split()
    assert leftovers == "0"
    assert counts[0::3] == counts[1::3]
    # *filter, three chains, theirs, two rules of theirs, COMMIT.
    assert set(counts[2::3]) == {"8"}


def test_firewalld_accepts_the_files_and_the_lines(tmp_path: Path) -> None:
    for posture in POSTURES:
        made = render("firewalld", all_networks_at_once(Role.WORKER), posture, version="1.2.3")
        made = for_version(made, (1, 3), enforce=False)
        place = lay_down(made, tmp_path / posture.value)
        lines = [
            # The same lines without a running daemon.
            line.replace("firewall-cmd --permanent", "firewall-offline-cmd")
            for line in made.commands
            if line != "firewall-cmd --reload"
        ]
        (place / "lines.sh").write_text("set -e\n" + "\n".join(lines) + "\n")
    inside(
        """
        for place in */; do
            for kind in ipsets services policies; do
                rm -rf /etc/firewalld/$kind
                cp -r "$place/$kind" /etc/firewalld/$kind
            done
            firewall-offline-cmd --check-config
            firewall-offline-cmd --get-policies | grep -q nodeprep-fwd
        done
        """,
        tmp_path,
        private=True,
    )


def test_firewalld_lines_say_what_the_files_say(tmp_path: Path) -> None:
    chosen = policy(Role.WORKER, cluster(workers=20, step=2))
    made = render("firewalld", chosen, Posture.ENFORCE)
    made = for_version(made, (1, 3), enforce=False)
    place = lay_down(made, tmp_path)
    lines: list[str] = []
    for line in made.commands[:-1]:
        # One program for the rules of one policy: each takes a quarter of a second.
        edit, found, rule = line.partition(" --add-rich-rule=")
        if found and lines[-1].startswith(f"{edit} --add-rich-rule="):
            lines[-1] += found + rule
        else:
            lines.append(line)
    text = "\n".join(["set -e", *lines, ""])
    (place / "lines.sh").write_text(
        text.replace("firewall-cmd --permanent", "firewall-offline-cmd")
    )
    inside("bash lines.sh >/dev/null; cp -r /etc/firewalld made", tmp_path, private=True)
    by_lines = {
        str(path.relative_to(tmp_path / "made")): path.read_text()
        for path in (tmp_path / "made").glob("*/nodeprep-*.xml")
    }
    assert by_lines.keys() == made.files.keys()
    for hook, to in (
        ("input", "198.51.100.1"),
        ("forward", "10.244.0.1"),
        ("input", "2001:db8::1"),
    ):
        judges = [
            Judge(parse_firewalld(firewalld_files(one, Posture.ENFORCE)), hook, ip_address(to))
            for one in (made, Artefact("firewalld", by_lines))
        ]
        assert judges[0].admitted() == judges[1].admitted()
        assert judges[0].admitted()


def test_ufw_takes_the_block_the_profile_and_the_lines(tmp_path: Path) -> None:
    made = render("ufw", all_networks_at_once(Role.WORKER), Posture.ENFORCE, version="1.2.3")
    place = lay_down(made, tmp_path)
    for name in ("before.rules", "before6.rules", "before.init"):
        own = Path("/etc/ufw", name).read_text()
        (place / name).write_text(put(own, made.files[name]))
    few = [line for line in made.commands if line.startswith("ufw ") and "allow" in line][::9]
    (place / "lines.sh").write_text("\n".join(["set -e", *few, ""]))
    shown = inside(
        """
        cp before.rules before6.rules before.init nodeprep.ipset /etc/ufw/
        cp applications.d/nodeprep /etc/ufw/applications.d/
        chmod +x /etc/ufw/before.init
        sed -i s/^IPV6=.*/IPV6=yes/ /etc/default/ufw
        ufw --force enable >/dev/null
        ufw app list | grep -c nodeprep-
        bash lines.sh >/dev/null
        ufw reload >/dev/null
        grep -c '^### tuple' /etc/ufw/user.rules
        iptables-save | grep -c '"nodeprep:'
        ip6tables-save | grep -c '"nodeprep:'
        """,
        tmp_path,
        private=True,
    )
    profiles, _, rules4, rules6 = map(int, shown.split())
    assert profiles == made.files["applications.d/nodeprep"].count("\n[")
    assert rules4 == made.files["before.rules"].count('"nodeprep:')
    assert rules6 == made.files["before6.rules"].count('"nodeprep:')
