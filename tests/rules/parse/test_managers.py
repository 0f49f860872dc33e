"""What the parsers say of ufw's and firewalld's files, against what both really load."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from rules.cluster import Role
from rules.parse.firewalld import parse_firewalld
from rules.parse.iptables import parse_iptables_save
from rules.parse.nft import parse_nft
from rules.parse.ufw import FILES, parse_ufw
from rules.policy import policy
from rules.render import Posture, render
from rules.render.firewalld import for_version
from rules.render.ufw import put
from rules.ruleset import Chain, Ruleset, Unsupported
from tests.rules.render.clusters import cluster
from tests.rules.render.inside import inside, lay_down
from tests.rules.render.judge import Judge

pytestmark = pytest.mark.kernel

UFW_LINES = (
    "ufw allow from 192.0.2.0/24 to any port 6443 proto tcp comment 'a b'",
    "ufw deny from 192.0.2.7 to any port 30000:32767 proto udp",
    "ufw allow from 2001:db8::/64 to any port 22 proto tcp",
    "ufw route allow from 10.0.0.0/8 to 10.244.0.0/16",
    "ufw route allow from fd00::/8 to fd00:244::/56 port 1:65535 proto tcp",
)


def shape(chain: Chain) -> list[tuple[set[str], str]]:
    """What each rule matches, in any order, and what it does."""
    return [
        (
            # How a limit is spelt is none of the parser's business.
            {"?" if isinstance(match, Unsupported) else repr(match) for match in rule.matches},
            repr(rule.statement),
        )
        for rule in chain.rules
    ]


def chains(ruleset: Ruleset) -> dict[str, list[tuple[set[str], str]]]:
    found = {}
    for table in ruleset.tables:
        if table.name == "filter":
            for name, chain in table.chains.items():
                # ufw's bookkeeping of its default policy, and its log: neither decides.
                if "-track-" not in name and "logging" not in name and "limit" not in name:
                    found[f"{table.family} {name}"] = shape(chain)
    return found


def test_ufw_loads_what_its_files_say(tmp_path: Path) -> None:
    made = render("ufw", policy(Role.WORKER, cluster(families=(4, 6))), Posture.ENFORCE)
    lay_down(made, tmp_path)
    for name in ("before.rules", "before6.rules"):
        own = Path("/etc/ufw", name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(put(own, made.files[name]))
    (tmp_path / "lines.sh").write_text("\n".join(["set -e", *UFW_LINES, ""]))
    inside(
        """
        cp before.rules before6.rules /etc/ufw/
        sed -i s/^IPV6=.*/IPV6=yes/ /etc/default/ufw
        bash lines.sh >/dev/null
        ufw --force enable >/dev/null
        cp /etc/ufw/*.rules /etc/default/ufw .
        iptables-save > save4
        ip6tables-save > save6
        """,
        tmp_path,
        private=True,
    )
    files = {name: (tmp_path / name).read_text() for names in FILES.values() for name in names}
    files["/etc/default/ufw"] = (tmp_path / "ufw").read_text()
    for family in (4, 6):
        save = (tmp_path / f"save{family}").read_text()
        real = parse_iptables_save(save, "iptables-nft", family)
        read = chains(parse_ufw(files, family))
        assert read == chains(real)
        told = parse_ufw(
            {name: text for name, text in files.items() if "user" not in name},
            family,
            commands=UFW_LINES,
        )
        assert read == chains(told)
        policies = {
            chain.name: chain.base.policy
            for ruleset in (real, parse_ufw(files, family))
            for chain in ruleset.tables[0].chains.values()
            if chain.base is not None
        }
        assert policies["INPUT"].value == "drop"


def test_firewalld_loads_what_its_files_say(tmp_path: Path) -> None:
    chosen = policy(Role.WORKER, cluster(families=(4, 6), workers=20, step=2))
    for posture in Posture:
        made = for_version(render("firewalld", chosen, posture), (1, 3), enforce=False)
        lay_down(made, tmp_path / posture.value)
    inside(
        """
        mkdir -p /run/dbus
        dbus-daemon --system --fork --nopidfile
        for place in allow enforce; do
            for kind in ipsets services policies; do
                rm -rf /etc/firewalld/$kind
                cp -r $place/$kind /etc/firewalld/$kind
            done
            firewalld --nofork --nopid >$place/log 2>&1 &
            firewalld=$!
            for _ in $(seq 100); do
                firewall-cmd --state >/dev/null 2>&1 && break
                sleep 0.1
            done
            nft -j list ruleset > $place/live.json
            cat $place/log
            kill $firewalld
            wait $firewalld || true
        done
        """,
        tmp_path,
        private=True,
    )
    destinations = {
        "input": ("198.51.100.1", "2001:db8:ffff::1"),
        "forward": ("198.51.100.1", "2001:db8:ffff::1", "10.244.1.1", "fd00:244::1"),
    }
    for posture in Posture:
        place = tmp_path / posture.value
        assert (place / "log").read_text() == ""
        live = parse_nft((place / "live.json").read_text())
        files = machine_files() | {
            str(path.relative_to(place)): path.read_text() for path in place.rglob("*.xml")
        }
        read = parse_firewalld(files)
        for hook, addresses in destinations.items():
            for address in map(ip_address, addresses):
                found = Judge(read, hook, address).admitted()
                real = Judge(live, hook, address).admitted()
                assert found == real, (posture, hook, address)


def machine_files() -> dict[str, str]:
    """What the package brings, as firewalld sees it below /etc/firewalld."""
    root = Path("/usr/lib/firewalld")
    found = {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for kind in ("zones", "services", "policies", "ipsets")
        for path in (root / kind).glob("*.xml")
    }
    found["firewalld.conf"] = Path("/etc/firewalld/firewalld.conf").read_text(encoding="utf-8")
    return found
