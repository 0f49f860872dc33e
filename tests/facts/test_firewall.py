from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from preflight.facts import firewall, netlink, nftables
from preflight.facts.firewall import MANAGERS, parse_ufw_conf
from preflight.facts.host import Host, Unit
from preflight.facts.model import Known, Unknown, known
from preflight.facts.model.firewall import FilterTable
from preflight.facts.xtables import describe, parse_info
from preflight.settings import Settings
from preflight.versions.filtermakers import maker_of_rule, maker_of_table
from tests.kernel import require_kernel


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("# /etc/ufw/ufw.conf\n#\nENABLED=no\n\nLOGLEVEL=low\n", False),
        ("ENABLED=yes\nLOGLEVEL=low\n", True),
        ('ENABLED="yes"\n', True),
        ("enabled = Yes\n", True),
        ("#ENABLED=yes\n", False),
        ("", False),
    ],
)
def test_ufw_conf(text: str, wanted: bool) -> None:
    assert parse_ufw_conf(text) is wanted


class Fake(Host):
    def __init__(self, units: Known[dict[str, Unit]], root: Path) -> None:
        super().__init__()
        self._units = units
        self.root = root

    def exists(self, path: str) -> bool:
        return os.path.lexists(f"{self.root}{path}")

    def read_bytes(self, path: str, limit_bytes: int = 1 << 20) -> Known[bytes]:
        return super().read_bytes(f"{self.root}{path}", limit_bytes)


def test_managers_by_systemd(tmp_path: Path) -> None:
    units = {
        "firewalld.service": Unit("loaded", "active", "enabled"),
        "nftables.service": Unit("loaded", "inactive", "enabled"),
        "iptables.service": Unit("loaded", "failed", "disabled"),
        "ufw.service": Unit("loaded", "active", "enabled-runtime"),
        "ip6tables.service": Unit("not-found", "inactive", ""),
    }
    found = known(firewall.collect(Fake(units, tmp_path), Settings()).managers)
    assert set(found) == set(MANAGERS)
    assert found["firewalld"] == found["ufw"] == "active+enabled"
    assert found["nftables"] == "enabled"
    assert found["iptables"] == found["ip6tables"] == found["netfilter-persistent"] == ""


def test_managers_by_openrc(tmp_path: Path) -> None:
    for path in ("run/openrc/started", "etc/runlevels/boot", "etc/runlevels/default"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "etc/runlevels/default/nftables").symlink_to("/etc/init.d/nftables")
    (tmp_path / "run/openrc/started/iptables").symlink_to("/etc/init.d/iptables")
    unknown = Unknown("absent", "systemd does not run here")
    found = known(firewall.collect(Fake(unknown, tmp_path), Settings()).managers)
    assert (found["nftables"], found["iptables"], found["ufw"]) == ("enabled", "active", "")


def test_without_a_service_manager(tmp_path: Path) -> None:
    unknown = Unknown("absent", "systemd does not run here")
    facts = firewall.collect(Fake(unknown, tmp_path), Settings())
    assert facts.managers == unknown
    assert facts.ufw_enabled is None
    # No list of legacy tables: its module is not there.
    assert facts.legacy_tables == ()


def test_a_module_that_nobody_loaded_is_not_loaded_by_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> list[bytes]:
        raise AssertionError("the kernel was asked")

    monkeypatch.setattr(netlink, "dump", asked)
    directory = tmp_path / "lib/modules" / os.uname().release
    directory.mkdir(parents=True)
    index = directory / "modules.builtin"
    index.write_text("kernel/net/netfilter/nfnetlink.ko\n")
    host = Fake({}, tmp_path)
    assert nftables.read_nft_tables(host) == ()
    index.write_text("kernel/net/netfilter/nf_tables.ko\n")
    with pytest.raises(AssertionError):
        nftables.read_nft_tables(host)
    index.write_text("")
    (tmp_path / "sys/module/nf_tables").mkdir(parents=True)
    with pytest.raises(AssertionError):
        nftables.read_nft_tables(host)


@pytest.mark.parametrize(
    ("number", "reason"), [(1, "denied"), (13, "denied"), (110, "failed"), (22, ""), (93, "")]
)
def test_what_the_kernel_refuses(monkeypatch: pytest.MonkeyPatch, number: int, reason: str) -> None:
    def refuse(*_: object) -> list[bytes]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(netlink, "dump", refuse)
    found = nftables.read_nft_tables(Host())
    assert (found.reason if isinstance(found, Unknown) else "") == reason


@pytest.mark.parametrize(
    ("content", "maker"),
    [
        (b"\x08\0KUBE-SERVICES\0", "kubernetes"),
        (b"kubernetes service portals\0", "kubernetes"),
        (b"cali-INPUT", "calico"),
        (b"cali:Cz_u1IQiXIMmKD4c", "calico"),
        (b"docker0\0\0\0", "docker"),
        (b"br-0123456789ab\0", "docker"),
        (b"br-lan\0", ""),
        (b"DOCKER-USER", "docker"),
        (b"virbr0\0", "libvirt"),
        (b"LIBVIRT_INP", "libvirt"),
        (b"f2b-sshd", "fail2ban"),
        (b"ufw-before-input", "ufw"),
        (b"ufw6-before-input", "ufw"),
        (b"INPUT_direct", "firewalld"),
        (b'name: "cbr0" id: "0a1b"', "CNI plugins"),
        (b"NODEPREP-INPUT", "nodeprep"),
        (b"\0\0\0\x16eth0\0", ""),
        (b"", ""),
    ],
)
def test_marks_of_makers(content: bytes, maker: str) -> None:
    assert maker_of_rule(b"\1\2" + content + b"\xff") == maker


@pytest.mark.parametrize(
    ("name", "maker"),
    [
        ("firewalld", "firewalld"),
        ("kube-proxy", "kubernetes"),
        ("nodeprep", "nodeprep"),
        ("cni_hostport", "CNI plugins"),
        ("nm-shared-eth1", "NetworkManager"),
        ("io.systemd.nat", "systemd"),
        ("filter", ""),
        ("my-firewalld", ""),
    ],
)
def test_tables_of_makers(name: str, maker: str) -> None:
    assert maker_of_table(name) == maker


def test_a_garbled_legacy_table_is_an_error_and_not_an_endless_loop() -> None:
    info = parse_info(b"filter".ljust(32, b"\0") + bytes(52))
    assert info.hooks == {}
    with pytest.raises(IndexError):
        describe(4, "filter", info, bytes(200))


# What the collector sees in a network namespace of its own, where these rules were made.
SEEN = """
from preflight.facts.firewall import collect
from preflight.facts.host import Host
from preflight.settings import Settings
facts = collect(Host(), Settings())
for table in (*facts.tables, *facts.legacy_tables):
    print(table.backend, table.family, table.name, table.rules, table.chains, table.dropping,
          sorted(table.makers.items()), sep="|")
"""


def lab(shell: str) -> list[list[str]]:
    require_kernel()
    script = f'{shell}\nexec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "--net", "--mount", "bash", "-ec", script, sys.executable, SEEN],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XTABLES_LOCKFILE": "/dev/null"},
    )
    assert done.returncode == 0, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()]


@pytest.mark.kernel
def test_a_kernel_without_rules() -> None:
    assert lab("") == []


@pytest.mark.kernel
def test_tables_of_nft() -> None:
    found = lab(
        """
        nft add table inet mine
        nft 'add chain inet mine in { type filter hook input priority 0; policy drop; }'
        nft 'add chain inet mine other'
        nft add rule inet mine in tcp dport 22 accept
        nft add rule inet mine in iifname docker0 accept
        nft add rule inet mine in jump other
        nft add rule inet mine other accept
        nft add table ip kube-proxy
        nft 'add chain ip kube-proxy filter-input { type filter hook input priority 0; }'
        nft add rule ip kube-proxy filter-input counter
        nft add table inet empty
        nft 'add table inet asleep { flags dormant; }'
        nft 'add chain inet asleep in { type filter hook input priority 0; policy drop; }'
        """
    )
    assert found == [
        ["nft", "inet", "mine", "3", "('in', 'other')", "('in',)", "[('', 2), ('docker', 1)]"],
        ["nft", "ip", "kube-proxy", "1", "('filter-input',)", "()", "[('kubernetes', 1)]"],
        ["nft", "inet", "empty", "0", "()", "()", "[]"],
    ]


@pytest.mark.kernel
def test_tables_of_iptables_nft() -> None:
    (found,) = lab(
        """
        iptables-nft -P FORWARD DROP
        iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT
        iptables-nft -N KUBE-FIREWALL
        iptables-nft -A INPUT -j KUBE-FIREWALL
        iptables-nft -A FORWARD -m comment --comment 'cali:abc' -j ACCEPT
        """
    )
    assert found == [
        "iptables-nft",
        "ip",
        "filter",
        "3",
        "('FORWARD', 'INPUT', 'KUBE-FIREWALL')",
        "('FORWARD',)",
        "[('', 1), ('calico', 1), ('kubernetes', 1)]",
    ]


@pytest.mark.kernel
def test_plain_rules_beside_firewalld_chains_are_its_own() -> None:
    rules = """
        {0} -N INPUT_ZONES
        {0} -A INPUT -i lo -j ACCEPT
        {0} -A INPUT -j INPUT_ZONES
        """
    for program in ("iptables-nft", "iptables-legacy"):
        (found,) = lab(rules.format(program))
        assert found[-1] == "[('firewalld', 2)]"


@pytest.mark.kernel
def test_legacy_tables_of_both_families() -> None:
    found = lab(
        """
        iptables-legacy -P INPUT DROP
        iptables-legacy -A INPUT -i lo -j ACCEPT
        iptables-legacy -A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT
        iptables-legacy -N DOCKER-USER
        iptables-legacy -A FORWARD -j DOCKER-USER
        iptables-legacy -A DOCKER-USER -j RETURN
        iptables-legacy -N own
        iptables-legacy -A FORWARD -g own
        iptables-legacy -t nat -A POSTROUTING -o virbr0 -j MASQUERADE
        ip6tables-legacy -A INPUT -p tcp --dport 22 -m comment --comment 'kubernetes x' -j DROP
        ip6tables-legacy -A OUTPUT -j REJECT
        """
    )
    chains = "('FORWARD', 'INPUT', 'OUTPUT')"
    nat = "('INPUT', 'OUTPUT', 'POSTROUTING', 'PREROUTING')"
    assert sorted(found) == [
        ["ip6tables-legacy", "ip6", "filter", "2", chains, "()", "[('', 1), ('kubernetes', 1)]"],
        [
            "iptables-legacy",
            "ip",
            "filter",
            "4",
            "('DOCKER-USER', 'FORWARD', 'INPUT', 'OUTPUT', 'own')",
            "('INPUT',)",
            "[('', 3), ('docker', 1)]",
        ],
        ["iptables-legacy", "ip", "nat", "1", nat, "()", "[('libvirt', 1)]"],
    ]


@pytest.mark.kernel
def test_reading_makes_no_legacy_table() -> None:
    found = lab("true")
    assert found == []
    (only,) = lab("iptables-legacy -t mangle -A INPUT -j ACCEPT")
    assert only[:4] == ["iptables-legacy", "ip", "mangle", "1"]


@pytest.mark.kernel
def test_without_root_it_is_denied() -> None:
    require_kernel()
    script = (
        # Imported while it may still read its own files.
        "import os, socket\n"
        "from preflight.facts.nftables import read_nft_tables\n"
        "from preflight.facts.host import Host\n"
        "os.setuid(65534)\n"
        "print(read_nft_tables(Host()).reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "denied\n"


def test_a_table_acts_by_rules_or_policy() -> None:
    table = FilterTable("nft", "inet", "x", 0, base_policies={"in": "ACCEPT"})
    assert not table.acts
    assert replace(table, base_policies={"in": "DROP"}).acts
    assert replace(table, rules=1).acts
    assert table.label == "inet x (nft)"
