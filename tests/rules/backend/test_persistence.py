"""What a reboot brings back: the unit, its script, and nothing of anybody else."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rules.backend import foreign
from tests.rules.backend.lab import ROOT, Machine

pytestmark = pytest.mark.kernel
UNIT = "/etc/systemd/system/nodeprep-firewall.service"
LINK = "/etc/systemd/system/sysinit.target.wants/nodeprep-firewall.service"


def with_systemd(machine: Machine) -> None:
    """As if systemd had booted it: timers are kept as the command that they would run."""
    machine.shell("mkdir -p /run/systemd/system")
    machine.program("systemctl", 'echo "$@" >> /run/systemctl')
    machine.program(
        "systemd-run",
        "env=()\n"
        'while [ "$1" != -- ]; do\n'
        '  case "$1" in --setenv=*) env+=("${1#--setenv=}");; esac\n'
        '  echo "$1" >> /run/systemd-run; shift\n'
        "done\n"
        'shift; printf "%q " env "${env[@]}" "$@" > /run/timer; echo >> /run/timer',
    )


@pytest.mark.parametrize("backend", ["nftables", "iptables-nft", "iptables-legacy"])
def test_the_unit_brings_back_what_was_confirmed(
    machine: Machine, tmp_path: Path, backend: str
) -> None:
    with_systemd(machine)
    machine.address()
    done = machine.firewall("apply", backend, "--confirm-within", "60")
    assert UNIT in [change["object"] for change in done["changes"]]
    assert machine.run("cat", UNIT, ok=False) == ""
    timer = machine.run("cat", "/run/systemd-run")
    assert f"--unit=nodeprep-rollback-{done['pending']['id']}" in timer
    assert "--on-active=" in timer
    # `python -m preflight` is found from wherever systemd starts it.
    assert f"--setenv=PYTHONPATH={ROOT}\n" in timer

    machine.firewall("confirm")
    assert f"stop nodeprep-rollback-{done['pending']['id']}.timer" in machine.run(
        "cat", "/run/systemctl"
    )
    assert machine.run("readlink", LINK).strip() == UNIT
    assert machine.firewall("status")["persistent"] is True
    assert machine.firewall("verify", backend)["ok"] is True
    assert machine.firewall("apply", backend, "--confirm-within", "60")["changed"] is False
    # Nor by somebody else, whose shell looks for programs elsewhere.
    other = {"PATH": f"/root/bin:/opt/tools:{os.environ['PATH']}", "HOME": "/nonexistent"}
    again = machine.firewall("apply", backend, "--confirm-within", "60", env=other)
    assert (again["changed"], again["changes"]) == (False, [])
    own = machine.own()

    # What is applied and not confirmed is not for the next boot.
    unit = machine.run("cat", UNIT)
    machine.firewall("apply", backend, "--confirm-within", "60", policy="two")
    after = rebooted(tmp_path, unit)
    try:
        assert after.own() == own
        before = after.foreign()
        start(after, unit)
        assert after.own() == own
        assert after.foreign() == before
    finally:
        after.close()
    machine.firewall("rollback")
    machine.firewall("remove")
    assert machine.run("cat", UNIT, LINK, ok=False) == ""


def rebooted(tmp_path: Path, unit: str) -> Machine:
    """Another machine with the same state directory, after its unit was started."""
    directory = tmp_path / "after"
    directory.mkdir()
    made = Machine(directory)
    (directory / "foreign.nft").write_text(foreign.NFT)
    made.run("nft", "-f", str(directory / "foreign.nft"))
    before = made.foreign()
    start(made, unit)
    assert made.foreign()["nft"].startswith(before["nft"].split("table ip filter")[0])
    return made


def start(machine: Machine, unit: str) -> None:
    """What systemd would do."""
    lines = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    assert len(lines) == 1
    machine.run(*shlex.split(lines[0].removeprefix("ExecStart=")))


def test_the_timer_s_command_rolls_back(machine: Machine) -> None:
    with_systemd(machine)
    machine.firewall("apply", "nftables", "--confirm-within", "60")
    assert machine.own().strip()
    machine.shell("cd /; env -i PATH=$PATH bash /run/timer")
    assert not machine.own().strip()
    assert machine.firewall("status")["last"]["event"] == "rolled-back"
    told = machine.nodeprep("firewall", "status").stdout.splitlines()
    assert told[0] == "nothing of nodeprep is applied"
    assert told[1].startswith("rolled back at ")
    assert told[1].endswith("Z: nobody confirmed it in time")
    machine.shell("cd /; env -i PATH=$PATH bash /run/timer")


def test_without_a_timer_a_process_guards(machine: Machine) -> None:
    with_systemd(machine)
    machine.program("systemd-run", "exit 1")
    machine.firewall("apply", "nftables", "--confirm-within", "1")
    machine.shell(
        "for i in $(seq 50); do nft list table inet nodeprep >/dev/null 2>&1 || exit 0; "
        "sleep 0.1; done; exit 1"
    )


def test_a_reboot_forgets_what_nobody_confirmed(machine: Machine, tmp_path: Path) -> None:
    machine.firewall("apply", "nftables", "--confirm-within", "0")
    own = machine.own()
    machine.firewall("apply", "nftables", "--confirm-within", "600", policy="two")
    machine.close()
    path = machine.state / "firewall/pending.json"
    path.write_text(path.read_text().replace('"boot_id": "', '"boot_id": "other-'))
    directory = tmp_path / "after"
    directory.mkdir()
    after = Machine(directory)
    try:
        after.state = machine.state
        after.run("sh", str(machine.state / "firewall/boot/restore.sh"))
        assert after.own() == own
        done = after.nodeprep("firewall", "confirm", code=1)
        assert "rebooted before it was confirmed" in done.stderr
        assert after.own() == own
        assert after.firewall("status")["drift"] == []
    finally:
        after.close()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(machine: Machine, tmp_path: Path) -> None:
    with_systemd(machine)
    machine.state = tmp_path / 'with "quotes" and 100%'
    machine.firewall("apply", "nftables", "--confirm-within", "0")
    unit = tmp_path / "nodeprep-firewall.service"
    unit.write_text(machine.run("cat", UNIT))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "nodeprep" in line]
    assert ours == []
