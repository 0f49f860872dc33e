"""`nodeprep cloud apply gcp|azure|openstack` by the vendors' commands of tests/vendors."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from preflight.cli.main import run
from rules.cloud.reach import Reach
from tests.cli.test_cloud_apply import SCHEMA
from tests.cli.test_cloud_render import CLUSTER
from tests.rules.cloud.plans import wanted
from tests.vendorlab import PROGRAMS, Lab, dump
from tests.vendors import az, gcloud, openstack
from tests.vendors.store import WRITES

KILLS = int(os.environ.get("NODEPREP_KILLS", "1"))
pytestmark = pytest.mark.outside
WORDS = {"gcp": gcloud.WORDS, "azure": az.WORDS, "openstack": openstack.WORDS}
# Another pod network, and other operators: rules come, go, and change their senders.
CHANGED = CLUSTER.replace("flannel", "cilium").replace("203.0.113.0/24", "198.51.100.0/24")


@pytest.fixture(params=sorted(PROGRAMS))
def lab(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab(request.param, tmp_path)
    monkeypatch.setenv("VENDOR_STORE", str(tmp_path))
    monkeypatch.setattr("rules.run.SEARCH_PATH", made.environment["PATH"])
    return made


def writes(lab: Lab) -> list[list[str]]:
    return [argv for argv in lab.calls if set(argv) & set(WRITES)]


def assert_converged(lab: Lab, cluster: str = CLUSTER) -> None:
    rules = lab.rules(cluster)
    assert lab.reach(lab.state, rules) == wanted(rules)


def assert_never_missing(lab: Lab, before: Reach, cluster: str) -> None:
    """At no instant was a needed flow missing that was there before, or that had come."""
    rules = lab.rules(cluster)
    needed = wanted(rules)
    there = before & needed
    rest: set[str] = set()
    for state in lab.history:
        every = entries(lab.cloud, state)
        # A rule more that lets in shuts nothing: only other changes are looked at with care.
        more = every - rest
        if not rest <= every or any('"Deny"' in one or '"denied"' in one for one in more):
            found = lab.reach(state, rules) & needed
            assert there <= found
            there = found
        rest = every
    assert there <= lab.reach(lab.state, rules)


def entries(cloud: str, state: dict[str, Any]) -> set[str]:
    """The rules of a state, each as text."""
    if cloud == "gcp":
        return {json.dumps(one) for one in state["firewalls"].values()}
    field = "securityRules" if cloud == "azure" else "rules"
    groups = state["nsg" if cloud == "azure" else "groups"]
    return {
        json.dumps([name, one], sort_keys=True)
        for name, group in groups.items()
        for one in group[field]
    }


def test_apply_again_audit_drift(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lab.line("--dry-run", "-o", "json")) == 0
    promised = json.loads(capsys.readouterr().out)
    jsonschema.validate(promised, SCHEMA)
    assert (promised["changed"], promised["dry_run"], writes(lab)) == (True, True, [])
    assert run(lab.line("-o", "json")) == 0
    shown = capsys.readouterr()
    done = json.loads(shown.out)
    jsonschema.validate(done, SCHEMA)
    assert done["changes"] == promised["changes"]
    # The plan comes before the first call that writes.
    assert f"create {done['changes'][0]['object']}" in shown.err
    assert_converged(lab)

    lab.forget()
    assert run(lab.line()) == 0
    assert capsys.readouterr().out.endswith("nothing to change\n")
    assert writes(lab) == []

    (tmp_path / "dump.json").write_text(dump(lab.cloud, lab.state))
    audit = ["cloud", "audit", *lab.line()[2:], str(tmp_path / "dump.json")]
    audit = [word for word in audit if word not in ("--scope", "lab", "--network")]
    assert run(audit) == 0, capsys.readouterr()

    drifted = lab.state
    removed = seed_drift(lab.cloud, drifted)
    lab.state = drifted
    (tmp_path / "dump.json").write_text(dump(lab.cloud, drifted))
    assert run(audit) == 1
    assert "missing: " in capsys.readouterr().out
    assert run(lab.line("--diff")) == 0
    said = capsys.readouterr()
    assert f"create {removed}" in said.out
    assert '+{"' in said.out
    assert "not ours, so left: " in said.err
    rules = lab.rules()
    assert wanted(rules) <= lab.reach(lab.state, rules)
    lab.forget()
    assert run(lab.line("-o", "json")) == 0
    assert json.loads(capsys.readouterr().out)["changed"] is False


def seed_drift(cloud: str, state: dict[str, Any]) -> str:
    """Takes one rule of ours away and puts one of others in; the label of what is gone."""
    if cloud == "gcp":
        gone = state["firewalls"].pop("nodeprep-worker-kubelet-api")
        allowed = [{"IPProtocol": "tcp", "ports": ["8080"]}]
        theirs = {"name": "theirs", "description": "ours, of course", "allowed": allowed}
        state["firewalls"]["theirs"] = {**gone, **theirs}
        return "firewall rule nodeprep-worker-kubelet-api"
    if cloud == "azure":
        rules = state["nsg"]["nodeprep-worker"]["securityRules"]
        gone = next(one for one in rules if one["name"] == "kubelet-api")
        rules.remove(gone)
        rules.append({**gone, "name": "theirs", "description": "", "destinationPortRange": "8080"})
        return "security rule nodeprep-worker: kubelet-api"
    group = next(one for one in state["groups"].values() if one["name"] == "nodeprep-worker")
    gone = next(one for one in group["rules"] if one["port_range_min"] == 10250)
    group["rules"].remove(gone)
    group["rules"].append({**gone, "id": "x", "description": "", "port_range_min": 8080,
                           "port_range_max": 8080})  # fmt: skip
    return "rule nodeprep-worker: 10250/tcp from"


def test_another_policy_is_reached_and_nothing_needed_is_missing_in_between(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lab.line()) == 0
    lab.forget()
    before = lab.reach(lab.state, lab.rules(CHANGED))
    assert run(lab.line(cluster=CHANGED)) == 0, capsys.readouterr().err
    assert_never_missing(lab, before, CHANGED)
    assert_converged(lab, CHANGED)
    kinds = {word for argv in writes(lab) for word in argv if word in WRITES}
    assert {"create", "delete"} <= kinds


@pytest.mark.parametrize("when", ["kill before", "kill after"])
def test_killed_at_random_calls_a_run_again_goes_on(lab: Lab, when: str) -> None:
    assert run(lab.line()) == 0
    chance = random.Random(when)  # noqa: S311 - no secret
    target = CHANGED
    for _ in range(KILLS):
        rules = lab.rules(target)
        lab.forget()
        before = lab.reach(lab.state, rules)
        lab.fault(**{f"n{chance.randrange(1, 12)}": when})
        stopped = lab.apart(cluster=target)
        assert stopped.returncode in (0, -9), stopped.stderr
        calls = len(lab.calls)
        (lab.place / "faults.json").unlink()
        assert run(lab.line(cluster=target)) == 0
        assert_never_missing(lab, before, target)
        assert_converged(lab, target)
        assert calls > 1
        target = CLUSTER if target == CHANGED else CHANGED


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("logged out", "knows no account here"),
        ("throttled", "throttles the calls of this account; run it again later"),
        ("unreached", "cannot be reached"),
        ("denied", "this account may not do it"),
        ("no json", "it printed no "),
    ],
)
def test_what_the_command_says_is_one_line_and_three(
    lab: Lab, fault: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.fault(every=fault)
    assert run(lab.line()) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith(f"nodeprep: {PROGRAMS[lab.cloud]} ")
    assert said in line
    assert line.endswith("done before that: nothing; the same command goes on from there")


def test_an_answer_that_does_not_come_is_waited_for_so_long(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.fault(n0="slow")
    assert run(lab.line("--timeout", "1")) == 3
    assert "no answer within 1 s; --timeout takes more seconds" in capsys.readouterr().err


def test_a_lost_answer_is_done_and_the_next_run_sees_it(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.fault(n4="lost")
    assert run(lab.line()) == 3
    said = capsys.readouterr().err
    assert "done before that: created " in said or "done before that: nothing" in said
    assert len(lab.history) > 0
    (lab.place / "faults.json").unlink()
    assert run(lab.line()) == 0
    assert_converged(lab)


def test_an_absent_command_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rules.run.SEARCH_PATH", str(lab.place))
    assert run(lab.line()) == 3
    said = capsys.readouterr().err
    assert f"{PROGRAMS[lab.cloud]} is not installed: " in said
    assert "is changed by its own command" in said


def test_no_room_is_refused_before_any_call_that_writes(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lab.line()) == 0
    capsys.readouterr()
    # Room for what there is, and not for new rules beside it.
    count = {
        "gcp": lambda: len(lab.state["firewalls"]),
        "azure": lambda: max(len(one["securityRules"]) for one in lab.state["nsg"].values()),
        "openstack": lambda: sum(len(one["rules"]) for one in lab.state["groups"].values()),
    }[lab.cloud]()
    lab.forget()
    assert run(lab.line("--quota", f"rules={count}", cluster=CHANGED)) in (1, 2)
    assert f" {count}" in capsys.readouterr().err
    assert writes(lab) == []


def test_groups_of_others_are_not_taken_over(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    if lab.cloud == "gcp":
        pytest.skip("Google has no groups, only rules")
    assert run(lab.line()) == 0
    capsys.readouterr()
    state = lab.state
    if lab.cloud == "azure":
        state["nsg"]["nodeprep-worker"]["tags"] = {}
    else:
        next(iter(state["groups"].values()))["description"] = "of others"
    lab.state = state
    lab.forget()
    assert run(lab.line()) == 1
    assert "so it is not ours: take another --name" in capsys.readouterr().err
    assert writes(lab) == []


@pytest.mark.parametrize("text", ["it's", "null", ""])
def test_tags_of_azure_are_what_was_said(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab("azure", tmp_path)
    monkeypatch.setenv("VENDOR_STORE", str(tmp_path))
    monkeypatch.setattr("rules.run.SEARCH_PATH", lab.environment["PATH"])
    assert run(lab.line("--role", "worker,multi-master", "--tag", f"its.team={text}")) == 0
    assert {one["tags"]["its.team"] for one in lab.state["nsg"].values()} == {text}
    lab.forget()
    assert run(lab.line("--tag", f"its.team={text}")) == 0
    assert writes(lab) == []


@pytest.mark.parametrize("cloud", sorted(PROGRAMS))
def test_the_vendors_own_parser_takes_our_words(cloud: str, tmp_path: Path) -> None:
    """Every shape of a call, given to the real command where it is: it gets as far as asking who
    we are, which it does once it has understood the words.
    """
    if not os.environ.get("NODEPREP_EVERY"):
        pytest.skip("NODEPREP_EVERY=1 runs it, where the vendor's command is: half a minute")
    program = shutil.which(PROGRAMS[cloud])
    if program is None:
        pytest.skip(f"{PROGRAMS[cloud]} is not installed")
    lab = Lab(cloud, tmp_path)
    assert lab.apart().returncode == 0
    assert lab.apart(cluster=CHANGED).returncode == 0
    shapes: dict[tuple[str, ...], list[str]] = {}
    for argv in lab.calls:
        flags = (word.partition("=")[0] for word in argv if word.startswith("-"))
        shapes.setdefault((*argv[:4], *flags), argv)
    assert len(shapes) > 4
    nobody = {
        "CLOUDSDK_CONFIG": str(tmp_path / "nobody"),
        "AZURE_CONFIG_DIR": str(tmp_path / "nobody"),
        "HOME": str(tmp_path),
    }
    unknown = ("active account selected", "az login", "Missing value auth-url")
    for argv in shapes.values():
        done = subprocess.run(
            [program, *argv],
            env={**os.environ, **nobody},
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert any(word in done.stderr for word in unknown), (argv, done.stderr)
