"""Plans of saved nodes: what a program mends, and what it leaves to a person."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preflight.facts.model import Facts, known
from preflight.facts.model.kernel import Setting
from preflight.fixes.journal import APPLYING, UNDOING, Entry, Journal
from preflight.fixes.kinds import kind, module
from preflight.fixes.ownfile import MODULES_FILE, SYSCTL_FILE
from preflight.fixes.plan import make_plan
from preflight.fixes.registry import Context, Options, registry
from preflight.fixes.steps import FixError, Note, Step
from rules import run
from tests.faults.kernel import change
from tests.faults.kernel import module as other_module
from tests.nodes import healthy, judge, kernel, target


def plan(id: str, facts: Facts, **options: Any) -> tuple[list[tuple[str, str]], list[str]]:
    """(kind, name) of the steps for what the check finds on this node, and the notes."""
    findings = tuple(f for f in judge(id, facts) if f.status.value in ("fail", "warn"))
    assert findings, f"{id} finds nothing"
    steps: list[tuple[str, str]] = []
    notes: list[str] = []
    for each in registry()[id].function(Context(id, facts, target(), findings, Options(**options))):
        if isinstance(each, Note):
            notes.append(each.text)
        else:
            assert isinstance(each, Step)
            steps.append((each.kind, each.name))
    return steps, notes


LOADED = [("file", MODULES_FILE), ("module", "br_netfilter")]


@pytest.mark.parametrize(
    ("id", "faulty", "steps"),
    [
        (
            "bridge-nf-call",
            other_module("br_netfilter", state="loadable"),
            [
                *LOADED,
                ("file", SYSCTL_FILE),
                ("sysctl", "net.bridge.bridge-nf-call-iptables"),
            ],
        ),
        ("persistent-modules", change(modules_load=()), [("file", MODULES_FILE)]),
        # An absent module, and what a person forbade, is for a person.
        ("kernel-modules", other_module("overlay", state="absent", evidence="x"), []),
        (
            "kernel-modules",
            other_module("br_netfilter", state="loadable", blocked_by="/etc/modprobe.d/cis.conf"),
            [],
        ),
        (
            "persistent-modules",
            other_module("br_netfilter", denied_by="/etc/modprobe.d/cis.conf"),
            [],
        ),
        ("persistent-sysctl", change(sysctl_files=()), [("file", SYSCTL_FILE)]),
    ],
)
def test_plan(id: str, faulty: Callable[[Facts], Facts], steps: list[tuple[str, str]]) -> None:
    assert plan(id, faulty(healthy()))[0] == steps


def test_a_soft_limit_of_open_files_that_somebody_raised_stays() -> None:
    facts = change(open_files_limit=(32768, 40000))(healthy())
    findings = tuple(judge("open-files-limit", facts))
    context = Context("open-files-limit", facts, target(), findings, Options())
    (step,) = registry()["open-files-limit"].function(context)
    assert isinstance(step, Step)
    state: Any = step.edit(None)
    assert "DefaultLimitNOFILE=32768:524288\n" in state["text"]


def test_a_module_that_nobody_would_load_is_loaded() -> None:
    sysctls = {**kernel.SYSCTLS, "kernel.modprobe": ""}
    facts = other_module("nf_conntrack", state="loadable")(healthy())
    facts = replace(facts, kernel=replace(known(facts.kernel), sysctls=sysctls))
    steps, _ = plan("kernel-modules", facts)
    assert ("file", MODULES_FILE) in steps
    assert ("module", "nf_conntrack") in steps
    # What modprobe has nothing to do for.
    assert ("module", "overlay") not in steps


def test_which_foreign_file_loses_and_which_one_would_win() -> None:
    sysctls = {**kernel.SYSCTLS, "net.ipv4.ip_forward": "0"}
    key = "net.ipv4.ip_forward"
    lines = (
        Setting("/proc/cmdline", key, "0"),
        Setting("/etc/sysctl.d/10-a.conf", key, "0"),
        Setting("/etc/sysctl.d/20-b.conf", key, "1"),
        Setting("/etc/sysctl.d/zzz.conf", "net.ipv4.conf.all.forwarding", "0"),
        Setting("/usr/lib/sysctl.d/zzzz.conf", key, "0"),
        Setting("/etc/ufw/sysctl.conf", key, "0"),
    )
    steps, notes = plan("ip-forward", change(sysctls=sysctls, sysctl_files=lines)(healthy()))
    assert steps == [
        ("file", SYSCTL_FILE),
        ("file", "/etc/sysctl.d/zzz.conf"),
        ("file", "/etc/ufw/sysctl.conf"),
        ("sysctl", key),
    ]
    assert notes == [
        f"/proc/cmdline sets {key} to 0 and loses to {SYSCTL_FILE}",
        f"/etc/sysctl.d/10-a.conf sets {key} to 0 and loses to {SYSCTL_FILE}",
        f"/usr/lib/sysctl.d/zzzz.conf sets {key} to 0 and wins over {SYSCTL_FILE}: hide it by a "
        "file of its name in /etc",
    ]


def test_a_module_is_loaded_and_unloaded_by_modprobe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tmp_path / "modules"
    loaded.write_text("overlay 1 0 - Live 0x0\n")
    program = tmp_path / "modprobe"
    program.write_text(
        "#!/bin/bash\n"
        f'[ "$1" = -r ] && {{ sed -i "/^$3 /d" {loaded}; exit; }}\n'
        '[ "$2" = absent ] && { echo "FATAL: Module absent not found." >&2; exit 1; }\n'
        f'echo "$2 1 0 - Live 0x0" >> {loaded}\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(module, "LOADED", str(loaded))
    monkeypatch.setattr(run, "SEARCH_PATH", f"{tmp_path}:{run.SEARCH_PATH}")
    modules = kind("module")
    assert modules.read("br_netfilter") is None
    modules.write("br_netfilter", "loaded")
    assert modules.read("br_netfilter") == "loaded"
    modules.write("br_netfilter", None)
    assert modules.read("br_netfilter") is None
    with pytest.raises(FixError, match="Module absent not found"):
        modules.write("absent", "loaded")


def test_the_page_names_every_fix() -> None:
    page = (Path(__file__).parents[2] / "docs" / "fix.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    named = [id for row in rows for id in re.findall(r"`([a-z0-9-]+)`", row.split("|")[1])]
    assert sorted(named) == sorted(registry())


def test_the_switch_of_the_node_comes_last_whoever_was_imported_first() -> None:
    from preflight.runs import fix_parts  # noqa: F401  (imports its subject before its turn)

    order = list(registry())
    assert order[-1] == "cni-conf-winner"
    assert order.index("ip-forward") < order.index("firewall-admits") < len(order) - 1


def test_a_killed_run_is_brought_to_its_end_though_its_check_passes(tmp_path: Path) -> None:
    def state(text: str | None) -> dict[str, object] | None:
        made = {"mode": 0o644, "uid": os.geteuid(), "gid": os.getegid(), "xattrs": {}}
        return None if text is None else {"text": text, **made}

    for name, now in (("done", "new\n"), ("left", "old\n"), ("foreign", "theirs\n")):
        (tmp_path / name).write_text(now)
        (tmp_path / name).chmod(0o644)
    names = ("done", "left", "foreign", "gone")
    entries = tuple(
        Entry("file", str(tmp_path / name), state("old\n"), state("new\n"), ("x",))
        for name in names
    )
    killed = Journal(1, APPLYING, "2026-11-25T18:13:21Z", entries)

    def planned(journal: Journal, *wanted: str) -> list[str]:
        plan = make_plan([], unfinished=journal, wanted=wanted)
        assert plan.problems == ()
        return [os.path.basename(entry.name) for entry in plan.entries]

    assert planned(killed, "x") == ["left"]
    assert planned(killed, "other") == []
    assert planned(replace(killed, status=UNDOING), "x") == []
