"""`nodeprep check` and `--help` beside what a user would run instead; per fact, per check."""

from __future__ import annotations

import shutil
import statistics
import sys
from pathlib import Path

from bench.process import side_by_side, table

# What the documents tell a user to look at by hand: the rival where there is no kubeadm.
BY_HAND = (
    "swapon --show; cat /proc/sys/net/ipv4/ip_forward; ss -lntup; ip -j -d address; "
    "ip -j route show table all; ip -j -6 route show table all; ip -j neigh; cat /proc/modules; "
    "cat /proc/meminfo; nproc; df -P; hostname; cat /etc/hosts /etc/resolv.conf; "
    "getent hosts $(hostname); cat /sys/class/dmi/id/product_uuid; cat /etc/machine-id; "
    "zcat /proc/config.gz | wc -l; ls /etc/kubernetes /etc/cni/net.d /opt/cni/bin; "
    "systemctl --version"
)

# Checks by name; the rest are in the sum.
SHOWN = 10


def commands() -> dict[str, list[str]]:
    """Name in the table -> argv. kubeadm is there where the machine has it."""
    nodeprep = str(Path(sys.executable).with_name("nodeprep"))
    check = [nodeprep, "check", "--role", "master"]
    worker = [nodeprep, "check", "--role", "worker"]
    rows = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "nodeprep --help": [nodeprep, "--help"],
        "nodeprep check --role master --offline": [*check, "--offline"],
        "nodeprep check --role master": check,
        "nodeprep check --role worker --offline": [*worker, "--offline"],
        "nodeprep facts --offline": [nodeprep, "facts", "--offline"],
        "nodeprep ports --role master": [nodeprep, "ports", "--role", "master"],
        "the same questions by hand (sh)": ["sh", "-c", BY_HAND],
    }
    if kubeadm := shutil.which("kubeadm"):
        rows["kubeadm init phase preflight"] = [kubeadm, "init", "phase", "preflight", "--dry-run"]
    return rows


def inside(runs: int) -> str:
    """Median milliseconds of each subject of facts and of each check, within one process."""
    import time

    from preflight.checks.registry import registry
    from preflight.engine import run_checks
    from preflight.facts.collect import SUBJECTS, collect
    from preflight.facts.host import Host
    from preflight.settings import Settings
    from preflight.target import Phase, Target
    from rules.cluster import Role
    from rules.version import NEWEST

    settings = Settings()
    target = Target(Role.MASTER, Phase.BEFORE, NEWEST, settings)
    facts_ms: dict[str, list[float]] = {subject: [] for subject in SUBJECTS}
    checks_ms: dict[str, list[float]] = {}
    for _ in range(runs):
        timings: dict[str, float] = {}
        facts = collect(Host(offline=True), settings, timings=timings)
        for subject, elapsed in timings.items():
            facts_ms[subject].append(elapsed)
        for id, check in registry().items():
            started = time.perf_counter()
            run_checks(facts, target, [check])
            checks_ms.setdefault(id, []).append((time.perf_counter() - started) * 1000)
    lines = ["| facts | median ms (the subjects are read side by side) |", "| --- | --- |"]
    lines += [f"| {name} | {statistics.median(values):.1f} |" for name, values in facts_ms.items()]
    lines += ["", "| check | median ms |", "| --- | --- |"]
    slowest = sorted(checks_ms.items(), key=lambda row: -statistics.median(row[1]))
    lines += [f"| {id} | {statistics.median(values):.2f} |" for id, values in slowest[:SHOWN]]
    total = sum(statistics.median(values) for values in checks_ms.values())
    return "\n".join([*lines, f"| all {len(checks_ms)} checks | {total:.1f} |"])


def run(runs: int) -> str:
    rows = commands()
    samples = side_by_side(list(rows.values()), runs)
    return f"{table(list(rows), samples)}\n\n{inside(min(runs, 10))}"
