"""Apply, apply again, drift, remove: on each backend, between the rules of others."""

from __future__ import annotations

import pytest

from rules.lifecycle.manage import DIFFERENCE
from tests.rules.backend import foreign
from tests.rules.backend.lab import Machine

pytestmark = pytest.mark.kernel
BACKENDS = ("nftables", "iptables-nft", "iptables-legacy")


def crowd(machine: Machine, backend: str) -> None:
    """Everybody else's rules."""
    kind = "legacy" if backend == "iptables-legacy" else "nft"
    files = machine.directory
    (files / "foreign.rules").write_text(foreign.iptables())
    (files / "foreign.nft").write_text(foreign.NFT)
    (files / "foreign.ipset").write_text(foreign.IPSET)
    machine.shell(
        f"for family in ip ip6; do ${{family}}tables-{kind}-restore {files}/foreign.rules; done; "
        f"nft -f {files}/foreign.nft; ipset restore -file {files}/foreign.ipset"
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_apply_twice_drift_and_remove(machine: Machine, backend: str) -> None:
    crowd(machine, backend)
    before, others = machine.dump(), machine.foreign()

    planned = machine.firewall("plan", backend)
    assert planned["changed"] is True
    assert machine.dump() == before
    assert not machine.state.exists()

    dry = machine.firewall("apply", backend, "--dry-run")
    first = machine.firewall("apply", backend, "--confirm-within", "0")
    assert first["changed"] is True
    assert first["changes"] == dry["changes"] == planned["changes"]
    assert {change["before"] for change in first["changes"]} == {None}
    assert machine.foreign() == others
    loaded, files = machine.dump(), machine.state_files()
    assert machine.state.stat().st_mode & 0o777 == 0o700

    second = machine.firewall("apply", backend, "--confirm-within", "0")
    assert (second["changed"], second["changes"]) == (False, [])
    assert machine.dump() == loaded
    assert machine.state_files() == files
    assert machine.firewall("status")["drift"] == []
    assert machine.firewall("verify", backend, code=1)["verdicts"][0]["ok"] is True

    other = machine.firewall("apply", backend, "--confirm-within", "0", policy="two")
    assert other["changed"] is True
    assert machine.foreign() == others
    machine.firewall("apply", backend, "--confirm-within", "0", "--diff")
    assert machine.own() == own_of(machine, backend, loaded)

    drift(machine, backend)
    status = machine.firewall("status", code=1)
    assert status["drift"]
    wrong = machine.firewall("verify", backend, code=1)["verdicts"][0]
    assert (wrong["ok"], wrong["detail"].rpartition("; ")[2]) == (False, DIFFERENCE)
    told = machine.nodeprep("firewall", "status", code=1).stdout
    assert f"\n{DIFFERENCE}, with the options of the first time\n" in told
    other = machine.firewall("verify", backend, "--posture", "allow", code=1)["verdicts"][0]
    assert other["detail"].startswith("posture enforce is in force, and this asks for allow: ")
    assert machine.firewall("apply", backend, "--confirm-within", "0")["changed"] is True
    assert machine.firewall("status")["drift"] == []
    assert machine.foreign() == others

    assert machine.firewall("remove", "", "--dry-run")["changed"] is True
    removed = machine.firewall("remove")
    assert {change["after"] for change in removed["changes"]} == {None}
    assert machine.dump() == before
    assert not machine.state.exists()
    assert machine.firewall("remove")["changed"] is False


def own_of(machine: Machine, backend: str, loaded: dict[str, str]) -> str:
    """The own part now, which must also be the one of that dump (but for handles)."""
    now = machine.own()
    if backend == "nftables":
        assert 'tcp dport 6443 accept comment "nodeprep:kube-apiserver' in loaded["nft"]
    assert "198.51.100.0" in now
    assert "198.51.100.1\n" not in now
    return now


def drift(machine: Machine, backend: str) -> None:
    """Somebody adds a rule to our chain."""
    if backend == "nftables":
        machine.run("nft", "insert", "rule", "inet", "nodeprep", "input", "accept")
    else:
        machine.run(backend, "-I", "NODEPREP-INPUT", "-j", "ACCEPT")


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_one_jump_before_everything_that_decides(machine: Machine, backend: str) -> None:
    crowd(machine, backend)
    machine.firewall("apply", backend, "--confirm-within", "0")

    def rules() -> list[str]:
        return machine.run(backend, "-S", "INPUT").splitlines()[1:]

    assert rules()[0] == "-A INPUT -j NODEPREP-INPUT"
    # Calico puts its own jump on top again: no reason to fight.
    machine.run(backend, "-I", "INPUT", "-j", "cali-INPUT")
    assert machine.firewall("apply", backend, "--confirm-within", "0")["changed"] is False
    # What decides before us is one; and so is a second jump.
    machine.run(backend, "-I", "INPUT", "-p", "tcp", "--dport", "9", "-j", "ACCEPT")
    machine.run(backend, "-A", "INPUT", "-j", "NODEPREP-INPUT")
    done = machine.firewall("apply", backend, "--confirm-within", "0")
    assert [change["object"] for change in done["changes"]] == ["ip filter jump INPUT"]
    assert rules()[0] == "-A INPUT -j NODEPREP-INPUT"
    assert rules().count("-A INPUT -j NODEPREP-INPUT") == 1
    # A lost jump comes back.
    machine.run(backend, "-D", "INPUT", "-j", "NODEPREP-INPUT")
    assert machine.firewall("apply", backend, "--confirm-within", "0")["changed"] is True
    assert rules().count("-A INPUT -j NODEPREP-INPUT") == 1
    # Whoever leads into our chain in another way does not keep it from going.
    machine.run(backend, "-A", "INPUT", "-p", "udp", "-j", "NODEPREP-INPUT")
    machine.firewall("remove")
    assert "NODEPREP-" not in machine.run(f"{backend}-save")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nftables", "iptables-nft"),
        ("iptables-nft", "iptables-legacy"),
        ("iptables-legacy", "nftables"),
    ],
)
def test_another_backend_takes_over(machine: Machine, old: str, new: str) -> None:
    machine.firewall("apply", old, "--confirm-within", "0")
    machine.firewall("apply", new, "--confirm-within", "0", policy="two")
    own = machine.own()
    assert ("table inet nodeprep" in own) == (new == "nftables")
    assert ("iptables-nft-save" in own) == (new == "iptables-nft")
    assert ("iptables-legacy-save" in own) == (new == "iptables-legacy")
    assert ("ipset save" in own) == (new != "nftables")
    assert "198.51.100.0" not in own
    assert machine.firewall("apply", new, "--confirm-within", "0", policy="two")["changed"] is False
    machine.firewall("remove")
    assert machine.own().strip() == ""


def test_ipv4_comes_back_where_ipv6_fails(machine: Machine) -> None:
    machine.firewall("apply", "iptables-nft", "--confirm-within", "0")
    before = machine.own()
    machine.program(
        "ip6tables-nft-restore",
        # Once, and not in the scratch namespace.
        "here=$(readlink /proc/self/ns/net) init=$(readlink /proc/1/ns/net)\n"
        'if [ "$here" = "$init" ] && [ ! -e /run/failed ]\n'
        'then touch /run/failed; echo "no memory" >&2; exit 1; fi\n'
        'exec /usr/sbin/ip6tables-nft-restore "$@"',
    )
    machine.firewall("apply", "iptables-nft", "--confirm-within", "0", policy="two", code=1)
    assert "failed" in machine.run("ls", "/run")
    assert machine.own() == before
    assert machine.firewall("status")["drift"] == []


def test_text_for_people(machine: Machine) -> None:
    role = ["--role", "multi-master", "--config", str(machine.files["one"])]
    done = machine.nodeprep("firewall", "apply", *role, "--confirm-within", "0", "--diff")
    assert "nftables: nobody else drops packets here, and nft is installed" in done.stdout
    assert "  create table inet nodeprep" in done.stdout
    assert "+table inet nodeprep {" in done.stdout
    assert "the posture allow has nothing to open" in done.stderr
    assert (
        "nothing to change"
        in machine.nodeprep("firewall", "apply", *role, "--confirm-within", "0").stdout
    )
    assert "since 20" in machine.nodeprep("firewall", "status").stdout
    assert "remove table inet nodeprep" in machine.nodeprep("firewall", "remove").stdout
    assert "nothing of nodeprep is there" in machine.nodeprep("firewall", "remove").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["apply", "--role", "worker", "--backend", "pf"],
        ["apply", "--role", "worker", "--posture", "loose"],
        ["apply", "--role", "worker", "-o", "xml"],
        ["apply", "--role", "worker", "--confirm-within", "-1"],
        ["apply"],
    ],
)
def test_wrong_usage_changes_nothing(machine: Machine, arguments: list[str]) -> None:
    machine.nodeprep("firewall", *arguments, "--config", str(machine.files["one"]), code=2)
    assert machine.own().strip() == ""
    assert not machine.state.exists() or list(machine.state.rglob("*.json")) == []


def test_without_nft_the_rules_are_read_by_iptables(machine: Machine) -> None:
    """On a host of iptables-nft alone; a table that only nft prints makes it unknown."""
    machine.address()
    machine.shell(
        "mkdir /run/sbin && cp -a /usr/sbin/. /run/sbin/ && rm /run/sbin/nft && "
        "cp /usr/sbin/nft /run/hidden-nft && mount --bind /run/sbin /usr/sbin"
    )
    done = machine.firewall("apply", "auto", "--confirm-within", "0")
    assert (done["backend"], done["warnings"]) == ("iptables-nft", [])
    verdicts = {
        item["name"]: item["ok"] for item in machine.firewall("verify", "auto", code=1)["verdicts"]
    }
    assert {name for name, status in verdicts.items() if status is not True} == {"persistent"}
    asked = ("firewall", "trace", "--from", "192.0.2.99", "--dport", "22")
    assert "nodeprep:enforce" in machine.nodeprep(*asked, code=1).stdout
    machine.run("/run/hidden-nft", "add", "table", "inet", "mine")
    assert "table inet mine is there and nft" in machine.nodeprep(*asked, code=3).stderr
