"""What is said to mend a finding: a command that a shell can read, or an instruction, no mixture.

Over the healthy node and every saved fault, as if it ran each distribution.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from preflight.checks.hostsfile import add_to_hosts
from preflight.checks.registry import registry
from preflight.checks.remedies import MODULES_FILE, SYSCTL_FILE, keep_modules, keep_sysctl
from preflight.engine import Selection, run_checks
from preflight.facts.model import Facts, Unknown, known
from preflight.settings import Settings
from preflight.target import Phase, Target
from rules.cluster import Role
from rules.version import NEWEST, Version
from tests.faults import all_faults
from tests.faults.model import SavedFault
from tests.nodes import healthy, judge

# `install` is a program too, and never meant: it begins instructions.
_PROGRAMS = """
    apk apt-get apt-mark brctl chattr chmod chronyc crictl cp curl depmod dnf echo for grubby
    hostnamectl ip iptables iptables-legacy iptables-legacy-save iptables-nft-restore journalctl
    kubeadm kubectl ln mkdir modprobe mount mv nft od pacman printf rc-service rc-update
    restorecon rm sed setenforce ss swapoff sysctl systemctl systemd-machine-id-setup
    timedatectl ufw umount zypper :
"""
PROGRAMS = frozenset(_PROGRAMS.split())
DISTRIBUTIONS = ("debian", "ubuntu", "rhel", "fedora", "opensuse-leap", "alpine", "arch", "flatcar")
# Where one command ends and the next begins, outside of quotes.
_JOINTS = re.compile(r"\s(?:&&|\|\||\|)\s")


def remedies(facts: Facts, target: Target) -> set[tuple[str, str]]:
    assert not isinstance(facts.system, Unknown)
    found = set()
    for name in DISTRIBUTIONS:
        machine = replace(facts, system=replace(facts.system, os_id=name))
        found |= {
            (finding.id, finding.remedy)
            for finding in run_checks(machine, target, registry().values(), Selection(deep=True))
            if finding.remedy
        }
    return found


def every_remedy() -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for fault in all_faults():
        if isinstance(fault, SavedFault):
            target = Target(fault.role, fault.phase, fault.version, fault.settings, "given")
            try:
                facts = fault.change(healthy())
                found |= remedies(facts, target)
            except AssertionError:  # a fault that takes the whole system away
                continue
    for role in Role:
        for version in (Version(1, 24), Version(1, 31), NEWEST):
            found |= remedies(healthy(), Target(role, Phase.AFTER, version, Settings(), "given"))
    return found


def is_command(remedy: str) -> bool:
    return remedy.split()[0] in PROGRAMS


@pytest.fixture(scope="module")
def said() -> list[tuple[str, str]]:
    return sorted(every_remedy())


@pytest.fixture
def commands(said: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in said if is_command(pair[1])]


@pytest.mark.outside
def test_commands_can_be_read_by_a_shell(commands: list[tuple[str, str]]) -> None:
    assert len(commands) > 50
    for id, remedy in commands:
        done = subprocess.run(["bash", "-n", "-c", remedy], capture_output=True, text=True)
        assert done.returncode == 0, f"{id}: {remedy}: {done.stderr}"


def test_a_command_holds_nothing_but_commands(commands: list[tuple[str, str]]) -> None:
    for id, remedy in commands:
        if "$(" not in remedy:  # whose quotes shlex does not know
            assert not {"and", "or", "then"} & set(shlex.split(remedy)), f"{id}: {remedy}"
        assert "  " not in remedy, f"{id}: something is missing in: {remedy}"


def test_a_command_can_be_pasted_as_it_is(commands: list[tuple[str, str]]) -> None:
    for id, remedy in commands:
        placeholder = re.search(r"\b(ADDRESS|INTERFACE|GATEWAY|FILE)\b|[A-Z]-OF-", remedy)
        assert not placeholder, f"{id}: {remedy}"


def test_instructions_do_not_look_like_commands(said: list[tuple[str, str]]) -> None:
    for id, remedy in said:
        if not is_command(remedy):
            assert not _JOINTS.search(remedy.partition(": ")[0]), f"{id}: {remedy}"


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (add_to_hosts("192.0.2.11 m1"), "/etc/hosts"),
        (keep_sysctl(("net.ipv4.ip_forward", "1")), SYSCTL_FILE),
        (keep_modules("br_netfilter"), MODULES_FILE),
    ],
)
def test_lines_are_added_to_files_without_an_end_of_line(
    command: str, path: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("as it was")
    subprocess.run(["bash", "-c", command.replace(path, str(file))], check=True)
    first, *others = file.read_text().splitlines()
    assert first == "as it was"
    assert others[-1] in ("192.0.2.11 m1", "net.ipv4.ip_forward = 1", "br_netfilter")


EVIL = "/x$(touch evil)'; touch evil; '"


def evil_programs(facts: Facts) -> Facts:
    runtime = known(facts.runtime)
    programs = {name: f"{EVIL}/{name}" for name in runtime.executables}
    return replace(facts, runtime=replace(runtime, executables=programs))


def evil_modules(facts: Facts) -> Facts:
    kernel = known(facts.kernel)
    blocked = tuple(replace(module, state="loadable", blocked_by=EVIL) for module in kernel.modules)
    return replace(facts, kernel=replace(kernel, modules=blocked))


def evil_neighbours(facts: Facts) -> Facts:
    network = known(facts.network)
    answered = tuple(replace(probe, owner=EVIL) for probe in known(network.duplicate_probes))
    return replace(facts, network=replace(network, duplicate_probes=answered))


@pytest.mark.parametrize("change", [evil_programs, evil_modules, evil_neighbours])
def test_facts_of_other_machines_are_quoted(change: Callable[[Facts], Facts]) -> None:
    target = Target(Role.MASTER, Phase.BEFORE, NEWEST, Settings(), "given")
    named = [remedy for _, remedy in remedies(change(healthy()), target) if "evil" in remedy]
    assert named
    for remedy in named:
        assert shlex.quote(EVIL) in remedy


def test_a_state_of_a_module_that_nobody_knows_is_unknown() -> None:
    kernel = known(healthy().kernel)
    odd = tuple(replace(module, state="odd") for module in kernel.modules)
    found = judge("kernel-modules", replace(healthy(), kernel=replace(kernel, modules=odd)))
    assert {finding.status.value for finding in found} == {"unknown"}
    assert not any("broke" in finding.message for finding in found)
