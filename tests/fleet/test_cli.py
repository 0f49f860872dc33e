"""`nodeprep compare` and `check --card-dir` as a person runs them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pytest
import yaml

from preflight.facts.store import document as facts_document
from preflight.fleet.card import document
from preflight.runs.facts import card_of
from preflight.settings import Settings
from rules.cluster import Role
from tests.cli.test_main import nodeprep
from tests.fleet.decks import card, healthy, write
from tests.nodes import healthy as healthy_facts

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "compare-report.schema.json"
HOSTILE = "<script>alert(1)</script>{{7*7}}\x1b[31m${IFS}`id`\n"


def run(place: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    done = nodeprep("compare", str(place), "-o", "json", *flags)
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    jsonschema.Draft202012Validator(
        json.loads(SCHEMA.read_text()), format_checker=jsonschema.FormatChecker()
    ).validate(report)
    return done.returncode, report


@pytest.fixture
def clones(tmp_path: Path) -> Path:
    cards = healthy()
    cards[6] = replace(cards[6], machine_id=cards[3].machine_id)
    write(tmp_path, cards)
    return tmp_path


def test_nodes_that_fit_together(tmp_path: Path) -> None:
    write(tmp_path, healthy())
    code, report = run(tmp_path)
    assert (code, report["verdict"], report["cluster"]) == (0, "ready", "kubernetes")
    assert report["nodes"] == ["m1", "m2", "m3", "w4", "w5", "w6", "w7"]


def test_clones_fail_and_are_named_in_every_format(clones: Path) -> None:
    code, report = run(clones)
    (found,) = [each for each in report["findings"] if each["status"] == "fail"]
    assert (code, found["id"], found["nodes"]) == (1, "machine-id-unique", ["w4", "w7"])
    shown = nodeprep("compare", str(clones), "--quiet").stdout
    assert "FAIL     machine-id-unique  w4 and w7 have the machine ID in common" in shown
    in_yaml = yaml.safe_load(nodeprep("compare", str(clones), "-o", "yaml").stdout)
    assert in_yaml["summary"] == report["summary"]
    junit = nodeprep("compare", str(clones), "-o", "junit").stdout
    suite = next(iter(junitparser.JUnitXml.fromstring(junit.encode())))
    assert (suite.name, suite.failures) == ("nodeprep compare", 1)
    sarif = json.loads(nodeprep("compare", str(clones), "-o", "sarif").stdout)
    failed = [each for each in sarif["runs"][0]["results"] if each["level"] == "error"]
    assert [each["ruleId"] for each in failed] == ["machine-id-unique"]


def test_a_failure_that_is_ignored_does_not_count(clones: Path) -> None:
    code, report = run(clones, "--ignore", "machine-id-unique")
    assert (code, report["verdict"], report["summary"]["fail"]) == (0, "ready", 1)
    assert run(clones, "--skip", "machine-id-unique")[0] == 0


@pytest.mark.parametrize("flags", [["-o", "toml"], ["--ignore", "machine-id-uniqe"]])
def test_wrong_flags_are_refused(clones: Path, flags: list[str]) -> None:
    done = nodeprep("compare", str(clones), *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_warnings_count_with_strict(tmp_path: Path) -> None:
    write(tmp_path, healthy(0))
    assert run(tmp_path)[0] == 0
    assert run(tmp_path, "--strict")[0] == 1


def test_hostile_cards_are_text_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, [*healthy(), card(8, node=HOSTILE), card(9, node=HOSTILE)])
    (tmp_path / "a\x1b[2J.json").write_text("{")
    code, report = run(tmp_path)
    assert code == 1
    assert {each["id"] for each in report["findings"] if each["status"] != "pass"} == {
        "cards-usable",
        "hostname-unique",
    }
    for form in ("text", "yaml", "junit", "sarif"):
        shown = nodeprep("compare", str(tmp_path), "-o", form).stdout
        assert "\x1b" not in shown
    assert "<script>" not in nodeprep("compare", str(tmp_path), "-o", "junit").stdout


def _node(tmp_path: Path, *others: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """`check` of the healthy node beside its own card and others, which change it."""
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(facts_document(healthy_facts())))
    directory = tmp_path / "cards"
    own = card_of(healthy_facts(), Settings(), Role.MASTER)
    sisters = [
        replace(
            own,
            node=f"w{number}",
            hostname=f"w{number}",
            role="worker",
            machine_id=f"{number}",
            product_uuid=f"{number}",
            boot_id=f"{number}",
            ssh_host_keys=(f"{number}",),
            interfaces=(
                replace(own.interfaces[0], mac=f"52:54:00:00:00:0{number}", addresses=()),  # type: ignore[index]
            ),
        )
        for number in (1, 2)
    ]
    write(directory, [own, *(replace(one, **change) for one, change in zip(sisters, others))])  # noqa: B905
    done = nodeprep(
        "check", "--role", "master", "--facts", str(facts), "--card-dir", str(directory),
        "-o", "json",
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_a_node_among_cards_is_judged_beside_them(tmp_path: Path) -> None:
    code, report = _node(tmp_path, {}, {})
    found = {(each["id"], each["subject"]): each for each in report["findings"]}
    assert code == 0, [each for each in report["findings"] if each["status"] == "fail"]
    for id in ("hostname-unique", "mac-unique", "machine-id-unique", "product-uuid-unique"):
        assert found[id, "cards"]["status"] == "pass"
        assert "none of the 2 other cards" in found[id, "cards"]["message"]
    assert found["ssh-host-key-unique", "cards"]["status"] == "pass"
    assert found["version-skew", ""]["status"] == "pass"


def test_a_clone_among_the_cards_is_found_by_the_node_itself(tmp_path: Path) -> None:
    own = card_of(healthy_facts(), Settings(), Role.MASTER)
    shared = {"machine_id": own.machine_id, "interfaces": own.interfaces, "node": own.node}
    code, report = _node(tmp_path, shared, {"cni": "calico"})
    failed = {each["id"] for each in report["findings"] if each["status"] == "fail"}
    assert code == 1
    assert failed == {
        "hostname-unique",
        "mac-unique",
        "machine-id-unique",
        "address-duplicate",
    }


def test_faults_of_others_are_theirs(tmp_path: Path) -> None:
    code, report = _node(tmp_path, {"machine_id": "x"}, {"machine_id": "x", "mtu": 9000})
    assert code == 0, [each for each in report["findings"] if each["status"] == "fail"]


def test_a_broken_card_beside_the_node_is_named(tmp_path: Path) -> None:
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "x.json").write_text(json.dumps(document(card(9)))[:300])
    code, report = _node(tmp_path, {}, {})
    (found,) = [each for each in report["findings"] if each["id"] == "cards-usable"]
    assert (code, found["status"]) == (3, "unknown")
    assert "x.json: is truncated" in found["message"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--peer", "w9"], "no node of the cluster file has this name"),
        (["--peer", "boss=192.0.2.1"], "no such role"),
        (["--peer", "worker=192.0.2.300"], "--peer worker: '192.0.2.300'"),
        ([], "no peer is known"),
        (["--peer", "worker=192.0.2.1", "-o", "toml"], "-o takes"),
        (["--peer", "worker=192.0.2.1", "--key", "/nonexistent/key"], "copy the key of the node"),
    ],
)
def test_probes_without_peers_or_keys_are_refused(flags: list[str], words: str) -> None:
    done = nodeprep("probe", "--role", "worker", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["listen", "--role", "worker", "--seconds", "0"], "--seconds takes 1 to 3600"),
        (["listen", "--role", "worker", "--seconds", "9999"], "--seconds takes 1 to 3600"),
        (["listen", "--role", "worker", "--key", "/nonexistent/a/key"], "cannot be written"),
        (["check", "--role", "worker", "--offline", "--peer", "worker=192.0.2.1"], "--peer sends"),
    ],
)
def test_listeners_and_checks_refuse_what_they_cannot_do(flags: list[str], words: str) -> None:
    done = nodeprep(*flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_files_that_are_no_cards_make_no_cluster(tmp_path: Path) -> None:
    other = tmp_path / "hosts"
    other.write_text("127.0.0.1 localhost\n")
    done = nodeprep("compare", str(other))
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("0 nodes, compared\n")
    # Nothing is said of roles that nobody saw.
    assert "control plane" not in done.stdout
    assert "no card can be compared: etcd-members-odd, roles-complete" in done.stdout
    assert run(other)[1]["verdict"] == "undetermined"
