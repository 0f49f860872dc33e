"""Confirmed, not confirmed, killed: what is in force afterwards."""

from __future__ import annotations

import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rules.backend.nfttable import parse_table
from tests.kernel import require_kernel
from tests.rules.backend import foreign
from tests.rules.backend.lab import Machine, kill, wait_until

pytestmark = pytest.mark.kernel
BACKENDS = ("nftables", "iptables-nft", "iptables-legacy")
# A sweep: NODEPREP_KILLS=200.
KILLS = int(os.environ.get("NODEPREP_KILLS", "30"))
SIDE_BY_SIDE = 5


def test_confirmed_in_time_stays(machine: Machine) -> None:
    done = machine.firewall("apply", "nftables", "--confirm-within", "6")
    assert done["pending"]["must_be_confirmed"] is True
    own = machine.own()
    assert machine.firewall("status")["pending"]["id"] == done["pending"]["id"]
    assert machine.firewall("verify", "nftables", code=1)["verdicts"][1]["name"] == "confirmed"
    again = machine.firewall("apply", "nftables", "--confirm-within", "6")
    assert (again["changed"], again["pending"]) == (False, done["pending"])
    assert machine.firewall("confirm")["changed"] is True
    assert machine.firewall("confirm")["changed"] is False
    time.sleep(6.5)
    assert machine.own() == own
    assert machine.firewall("status")["applied"]["confirmed"] is True


@pytest.mark.parametrize("backend", BACKENDS)
def test_unconfirmed_goes_and_what_was_confirmed_comes_back(machine: Machine, backend: str) -> None:
    machine.firewall("apply", backend, "--confirm-within", "1")
    machine.settle()
    assert not machine.own().strip()
    refused = machine.nodeprep("firewall", "confirm", code=1)
    assert "rolled back at" in refused.stderr
    machine.firewall("apply", backend, "--confirm-within", "0")
    own, boot = machine.own(), machine.state_files()
    machine.firewall("apply", backend, "--confirm-within", "4", policy="two")
    assert machine.own() != own
    machine.settle()
    assert machine.own() == own
    assert machine.firewall("status")["drift"] == []
    kept = {name: value for name, value in boot.items() if "/boot/" in name}
    assert {name: machine.state_files()[name] for name in kept} == kept


def test_a_change_upon_a_pending_one_goes_back_to_what_was_confirmed(machine: Machine) -> None:
    machine.firewall("apply", "nftables", "--confirm-within", "0")
    own = machine.own()
    machine.firewall("apply", "nftables", "--confirm-within", "60", policy="two")
    machine.firewall("apply", "iptables-nft", "--confirm-within", "1", policy="two")
    wait_until(lambda: machine.own() == own)


def test_rollback_now_and_removal_that_nobody_confirms(machine: Machine) -> None:
    machine.firewall("apply", "nftables", "--confirm-within", "0")
    own = machine.own()
    assert "nothing is pending" in machine.nodeprep("firewall", "rollback", code=1).stderr
    machine.firewall("apply", "nftables", "--confirm-within", "60", policy="two")
    assert machine.firewall("rollback")["changed"] is True
    assert machine.own() == own
    machine.firewall("remove", "", "--confirm-within", "4")
    assert not machine.own().strip()
    wait_until(lambda: machine.own() == own)
    machine.firewall("remove", "", "--confirm-within", "60")
    assert machine.firewall("confirm")["changed"] is True
    assert not machine.own().strip()
    assert not machine.state.exists()


def test_the_connection_that_applied_cannot_confirm(machine: Machine) -> None:
    old = {"SSH_CONNECTION": "203.0.113.9 50000 192.0.2.11 22"}
    new = {"SSH_CONNECTION": "203.0.113.9 50001 192.0.2.11 22"}
    machine.firewall("apply", "nftables", "--confirm-within", "60", env=old)
    refused = machine.nodeprep("firewall", "confirm", code=1, env=old)
    assert "from a new connection" in refused.stderr
    assert machine.firewall("confirm", env=new)["changed"] is True


def test_what_would_cut_the_operator_off_is_refused(machine: Machine) -> None:
    stranger = {"SSH_CONNECTION": "198.18.0.7 50000 192.0.2.11 22"}
    other_port = {"SSH_CONNECTION": "203.0.113.9 50000 192.0.2.11 2222"}
    friend = {"SSH_CONNECTION": "2001:db8:ad::9 50000 2001:db8::11 22"}
    plan = machine.firewall("plan", "nftables", code=1, env=stranger)
    assert "nodeprep:enforce" in plan["refused"]
    for session, words in ((stranger, "203.0.113.0/24"), (other_port, "no flow admits 2222/tcp")):
        refused = machine.nodeprep(
            "firewall", "apply", "--role", "multi-master", "--posture", "enforce",
            "--config", str(machine.files["one"]), code=1, env=session,
        )  # fmt: skip
        assert "nodeprep:enforce" in refused.stderr
        assert words in refused.stderr
        assert "--force" in refused.stderr
        assert not machine.own().strip()
    machine.firewall(
        "apply", "nftables", "--posture", "allow", "--confirm-within", "0", env=stranger
    )
    machine.firewall("apply", "nftables", "--confirm-within", "0", env=friend)
    machine.firewall("apply", "nftables", "--confirm-within", "0", env=friend, policy="two")
    machine.firewall("apply", "nftables", "--confirm-within", "0", "--force", env=stranger)


def test_verify_says_which_rule_is_in_the_way(machine: Machine) -> None:
    machine.address()
    friend = {"SSH_CONNECTION": "203.0.113.9 50000 192.0.2.11 22"}
    machine.shell(
        "nft -f - <<'END'\ntable inet mine {\n chain in {\n"
        "  type filter hook input priority 10; policy accept;\n"
        "  tcp dport { 22, 6443 } drop\n }\n}\nEND"
    )
    # It was shut before: that is no fault of ours, and no reason to take anything back.
    done = machine.firewall("apply", "nftables", "--confirm-within", "0", env=friend)
    assert "not let in: tcp 6443 from 10.244.0.0/16 to the node and 9 more" in done["warnings"][0]
    found = machine.firewall("verify", "nftables", code=1, env=friend)
    said = {verdict["name"]: (verdict["ok"], verdict["detail"]) for verdict in found["verdicts"]}
    assert said["rules"][0] is True
    assert said["session"][0] is False
    assert "chain in (nft, inet mine)" in said["session"][1]
    assert said["flows"][0] is False
    assert said["flows"][1].startswith("kube-apiserver, ssh: not let through")
    assert said["space"][0] is False
    assert "tcp 6443 from 10.244.0.0/16 to the node and 9 more" in said["space"][1]
    assert "chain in (nft, inet mine)" in said["space"][1]
    machine.run("nft", "delete", "table", "inet", "mine")
    found = machine.firewall("verify", "nftables", code=1, env=friend)
    said = {verdict["name"]: (verdict["ok"], verdict["detail"]) for verdict in found["verdicts"]}
    script = machine.state / "firewall" / "boot" / "restore.sh"
    lost = f"a reboot takes it away: systemd does not run here; have {script} run at boot"
    assert said.pop("persistent") == (False, lost)
    assert {ok for ok, _ in said.values()} == {True}
    # One rule too many, put into our own table by hand.
    machine.run("nft", "insert", "rule", "inet", "nodeprep", "input", "tcp", "dport", "9", "return")
    found = machine.firewall("verify", "nftables", code=1, env=friend)
    detail = next(each["detail"] for each in found["verdicts"] if each["name"] == "space")
    assert detail.startswith("let in though no flow needs it: tcp 9 from anywhere (IPv4)")


@pytest.mark.parametrize(
    ("hook", "rule", "name"),
    [
        ("input", "tcp dport 6443 ct state established", "kube-apiserver (later packets)"),
        ("output", "tcp sport 6443", "kube-apiserver (answers)"),
    ],
)
def test_verify_follows_a_flow_beyond_its_first_packet(
    machine: Machine, hook: str, rule: str, name: str
) -> None:
    machine.address()
    machine.firewall("apply", "nftables", "--confirm-within", "0")
    machine.shell(
        "nft add table ip mine; "
        f"nft 'add chain ip mine c {{ type filter hook {hook} priority 10; }}'; "
        f"nft add rule ip mine c {rule} counter drop"
    )
    verdicts = machine.firewall("verify", "nftables", code=1)["verdicts"]
    [flows] = [item for item in verdicts if item["name"] == "flows"]
    assert flows["ok"] is False
    assert flows["detail"].startswith(f"{name}: not let through (rule 1 of chain c")


def test_a_change_that_shuts_the_operator_out_is_taken_back(machine: Machine) -> None:
    machine.address()
    friend = {"SSH_CONNECTION": "203.0.113.9 50000 192.0.2.11 22"}
    machine.shell(
        "iptables-nft -P INPUT DROP; "
        "iptables-nft -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT"
    )
    allow = ("--posture", "allow", "--confirm-within", "0")
    assert machine.firewall("apply", "", *allow, env=friend)["backend"] == "iptables-nft"
    own = machine.own()
    refused = machine.nodeprep("firewall", "remove", code=1, env=friend)
    assert "rolled back: SSH from 203.0.113.9 to port 22 would not get in again" in refused.stderr
    assert "policy of chain INPUT (iptables-nft, ip filter)" in refused.stderr
    assert machine.own() == own
    machine.firewall("remove", "", "--force", env=friend)
    assert not machine.own().strip()


@pytest.mark.parametrize(
    ("size_kib", "confirm_within_s"), [(4, "0"), (12, "0"), (12, "60"), (16, "0")]
)
def test_a_full_disk_leaves_the_old_rules(
    machine: Machine, size_kib: int, confirm_within_s: str
) -> None:
    """The disk takes this and that of the state, but not all of it."""
    before = machine.dump()
    machine.shell(f"mkdir -p /run/small && mount -t tmpfs -o size={size_kib}k tmpfs /run/small")
    places = {"NODEPREP_STATE_DIR": "/run/small/state"}
    asked = ["apply", "--role", "multi-master", "--config", str(machine.files["one"]),
             "--posture", "enforce", "--backend", "nftables"]  # fmt: skip
    failed = machine.nodeprep(
        "firewall", *asked, "--confirm-within", confirm_within_s, code=1, env=places
    )
    assert "No space left" in failed.stderr
    assert machine.dump() == before
    status = machine.nodeprep("firewall", "status", env=places).stdout
    assert "nothing of nodeprep is applied" in status


def test_a_damaged_state_is_named(machine: Machine) -> None:
    machine.firewall("apply", "nftables", "--confirm-within", "0")
    own = machine.own()
    for name in ("applied.json", "pending.json"):
        path = machine.state / "firewall" / name
        before = path.read_text(encoding="utf-8") if path.exists() else None
        for text in ("garbage{", "[]", '{"version": 1, "x": 1}'):
            path.write_text(text, encoding="utf-8")
            found = machine.nodeprep("firewall", "status", code=3)
            assert f"{path}: is damaged; remove it" in found.stderr
        path.unlink()
        if before is not None:
            path.write_text(before, encoding="utf-8")
    assert machine.firewall("status")["drift"] == []
    assert machine.own() == own


def test_waiting_tells_how_it_ended(machine: Machine) -> None:
    waiting = machine.start(
        sys.executable, "-m", "preflight", "firewall", "apply", "--role", "multi-master",
        "--config", str(machine.files["one"]), "--wait", "--confirm-within", "60",
    )  # fmt: skip
    wait_until(lambda: machine.firewall("status")["applied"])
    machine.firewall("confirm")
    assert waiting.communicate(timeout=30)[0]
    assert waiting.returncode == 0
    gone = machine.firewall(
        "apply", "nftables", "--wait", "--confirm-within", "1", policy="two", code=1
    )
    assert gone["changed"] is True


def test_two_at_once_take_turns(machine: Machine) -> None:
    def apply(name: str) -> bool:
        done = machine.firewall("apply", "nftables", "--confirm-within", "0", policy=name)
        return bool(done["changed"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(apply, ["one", "two"] * 4))
    assert machine.firewall("status")["drift"] == []


def killed(directory: Path, backend: str, seed: int, count: int) -> None:
    """``count`` applies, each killed at a random moment."""
    chance = random.Random(seed)  # noqa: S311 - a moment, no secret
    machine = Machine(directory)
    try:
        kind = "legacy" if backend == "iptables-legacy" else "nft"
        (directory / "foreign.rules").write_text(foreign.iptables())
        machine.shell(
            f"nft -f - <<'END'\n{foreign.NFT}END\niptables-{kind}-restore {directory}/foreign.rules"
        )
        machine.firewall("apply", backend, "--confirm-within", "0")
        old, others = machine.own(), machine.foreign()
        machine.firewall("apply", backend, "--confirm-within", "0", policy="two")
        new = machine.own()
        machine.firewall("apply", backend, "--confirm-within", "0")
        for _ in range(count):
            process = machine.start(
                sys.executable, "-m", "preflight", "firewall", "apply", "--backend", backend,
                "--role", "multi-master", "--posture", "enforce", "--confirm-within", "1",
                "--config", str(machine.files["two"]),
            )  # fmt: skip
            time.sleep(chance.uniform(0.05, 0.45))
            kill(process)
            wait_until(lambda: _is_one_of(machine.own(), old, new), within_s=2)
            assert machine.foreign() == others
            wait_until(lambda: machine.own() == old)
            wait_until(
                lambda: (
                    not (machine.state / "firewall/pending.json").exists() or not _guarded(machine)
                )
            )
            machine.firewall("apply", backend, "--confirm-within", "0")
            assert machine.own() == old
            assert machine.foreign() == others
    finally:
        machine.close()


def _is_one_of(own: str, old: str, new: str) -> bool:
    """The old rules or the new ones, for each family and tool."""

    def part(text: str, program: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith(program)]

    if "table inet nodeprep" in old:
        # A set that no rule uses decides nothing.
        chains = [parse_table(text[text.index("table inet") :]) for text in (own, old, new)]
        assert chains[0] is not None
        return chains[0].chains in [table.chains for table in chains[1:] if table is not None]
    return all(
        part(own, f"{family}tables-")
        in (part(old, f"{family}tables-"), part(new, f"{family}tables-"))
        for family in ("ip", "ip6")
    )


def _guarded(machine: Machine) -> bool:
    """Whether any process of nodeprep still runs there."""
    return "preflight" in machine.run("ps", "-eo", "args")


def test_killed_at_any_point(tmp_path: Path) -> None:
    require_kernel()
    jobs = []
    for number in range(SIDE_BY_SIDE):
        directory = tmp_path / str(number)
        directory.mkdir()
        jobs.append((directory, BACKENDS[number % 3], number, -(-KILLS // SIDE_BY_SIDE)))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for outcome in [pool.submit(killed, *job) for job in jobs]:
            outcome.result()
