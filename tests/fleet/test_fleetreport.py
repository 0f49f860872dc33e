"""`nodeprep fleet report`: what was gathered as one answer, in every format."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from preflight.checks.registry import registry
from preflight.engine import run_comparisons
from preflight.fleet.answer import cells, clocks, role_ports, sort
from preflight.fleet.compare import COMPARISONS
from preflight.fleet.deck import build
from preflight.fleet.gathered import Probed, gather
from preflight.report.fleet import CompareReport
from preflight.report.formats import render
from preflight.report.picture import Picture
from preflight.report.tables import mark
from rules.errors import ConfigError, UsageError
from tests.cli.test_main import nodeprep
from tests.fleet.decks import healthy, sealed, write
from tests.fleet.gatherings import HOSTILE, gathering, reach, seeded
from tests.fleet.gatherings import report as probe_report

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "compare-report.schema.json"


def run(place: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    done = nodeprep("fleet", "report", str(place), "-o", "json", *flags)
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(report)
    return done.returncode, report


def wrong(report: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (each["id"], each["subject"]): each
        for each in report["findings"]
        if each["status"] in ("fail", "warn", "unknown")
    }


def test_what_many_senders_meet_at_one_peer_is_one_finding(tmp_path: Path) -> None:
    gathering(tmp_path, healthy())
    code, report = run(tmp_path)
    found = wrong(report)
    assert code == 1
    assert set(found) == {("peer-reachable", "w5 8472/udp"), ("peer-reachable", "w4 10250/tcp")}
    dead = found["peer-reachable", "w5 8472/udp"]
    assert dead["nodes"] == ["w5", "m1", "m2", "m3", "w4", "w6", "w7"]
    assert (
        "is filtered [the peer's packet filter] from m1, m2, m3, w4, w6 and w7" in (dead["message"])
    )
    assert found["peer-reachable", "w4 10250/tcp"]["nodes"] == ["w4", "m1"]


def test_cards_and_reachability_are_one_answer(tmp_path: Path) -> None:
    seeded(tmp_path)
    _, report = run(tmp_path)
    assert {id for id, _ in wrong(report)} == {
        "machine-id-unique",
        "pod-cidrs-disjoint",
        "peer-reachable",
    }


def test_a_node_that_did_not_probe_is_unknown(tmp_path: Path) -> None:
    gathering(tmp_path, healthy())
    (tmp_path / "probe-00006.json").unlink()
    found = wrong(run(tmp_path)[1])
    silent = found["peer-reachable", "not probed"]
    assert (silent["status"], silent["nodes"]) == ("unknown", ["w7"])


def test_what_two_machines_with_one_address_answer_is_not_judged(tmp_path: Path) -> None:
    cards = healthy()
    # A clone of the node that nobody reaches: which of the two is dead, no probe can tell.
    cards.append(replace(cards[4], boot_id=sealed("boot-id", 999)))
    gathering(tmp_path, cards)
    _, report = run(tmp_path)
    found = wrong(report)
    assert ("peer-reachable", "w4 10250/tcp") in found
    assert not any("w5" in subject for id, subject in found if id == "peer-reachable")
    assert {id for id, _ in found} == {
        "hostname-unique", "mac-unique", "product-uuid-unique", "machine-id-unique",
        "ssh-host-key-unique", "address-duplicate", "peer-reachable",
    }  # fmt: skip
    (left,) = [each for each in report["findings"] if "are not judged" in each["message"]]
    assert (left["status"], left["subject"]) == ("skip", "w5 (00004.json) and w5 (00007.json)")
    picture = nodeprep("fleet", "report", str(tmp_path), "-o", "html").stdout
    assert "who answers is not known" in picture


@pytest.mark.parametrize(
    ("word", "place"),
    [("dropped", "the peer's packet filter"), ("admitted", "not known where")],
)
def test_a_card_lays_what_its_prober_could_not(tmp_path: Path, word: str, place: str) -> None:
    cards = healthy()
    cards[4] = replace(cards[4], admits={"8472/udp": word})
    write(tmp_path, cards)
    for sender in cards:
        reaches = [reach(cards[4], 8472, "udp", "filtered", "unknown", "silence")]
        text = json.dumps(probe_report(sender, reaches if sender is cards[0] else []))
        (tmp_path / f"probe-{sender.node}.json").write_text(text)
    found = wrong(run(tmp_path)[1])
    assert f"[{place}]" in found["peer-reachable", "w5 8472/udp"]["message"]


def test_cards_alone_are_compared_as_ever(tmp_path: Path) -> None:
    write(tmp_path, healthy())
    code, report = run(tmp_path)
    assert (code, wrong(report)) == (0, {})
    assert "peer-reachable" not in {each["id"] for each in report["findings"]}


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "ProbeReport"}',
        '{"kind": "ProbeReport", "schema_version": 2, "node": "x", "role": "worker"}',
        '{"kind": "ProbeReport", "schema_version": 1, "node": 7, "role": "", "reaches": []}',
        '{"kind": "ProbeReport", "schema_version": 1, "node": "x", "role": "", "reaches": [{}]}',
        '{"kind": "ProbeReport", "schema_version": 1, "node": "x", "role": "", "reaches": ',
        '{"kind": "ProbePlan", "k": -5, "seed": 1}',
        '{"kind": "ProbePlan", "k": 10000000000, "seed": 1}',
        '{"kind": "ProbePlan", "k": 3, "seed": 1e9}',
        '{"kind": "ProbePlan"}',
        '{"kind": "ProbeReport", "x": ' + "[" * 100_000,
        "[" * 100_000,
        "not JSON at all",
        "",
    ],
)
def test_what_is_no_report_is_named_and_the_rest_counts(tmp_path: Path, text: str) -> None:
    gathering(tmp_path, healthy())
    (tmp_path / "x.json").write_text(text)
    found = wrong(run(tmp_path)[1])
    assert {id for id, _ in found} == {"cards-usable", "peer-reachable"}
    assert found["cards-usable", str(tmp_path / "x.json")]["status"] == "unknown"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", -1),
        ("port", 70_000),
        ("port", True),
        ("protocol", "<script>"),
        ("outcome", "fine"),
        ("layer", "{{7*7}}"),
        ("rtt_ms", float("nan")),
        ("clock_ms", float("inf")),
        ("clock_ms", "1"),
        ("detail", None),
    ],
)
def test_a_report_with_what_no_prober_writes_is_named(
    tmp_path: Path, name: str, value: Any
) -> None:
    cards = healthy()
    gathering(tmp_path, cards)
    changed = reach(cards[1], 10250, "tcp") | {name: value}
    (tmp_path / "x.json").write_text(json.dumps(probe_report(cards[0], [changed])))
    found = wrong(run(tmp_path)[1])
    assert {id for id, _ in found} == {"cards-usable", "peer-reachable"}
    assert "is no probe report that can be used" in found[
        "cards-usable", str(tmp_path / "x.json")
    ]["message"]  # fmt: skip


def test_of_two_reports_of_one_node_the_newer_counts_port_by_port(tmp_path: Path) -> None:
    cards = healthy()
    gathering(tmp_path, cards)
    # m1 could not reach w4's kubelet; it can now, and reaches m2's no more.
    again = [reach(cards[3], 10250, "tcp"), reach(cards[1], 10250, "tcp", "closed", "no-listener")]
    newer = probe_report(cards[0], again) | {"started": "2026-11-23T12:05:00Z"}
    # Before the older one by name.
    (tmp_path / "again.json").write_text(json.dumps(newer))
    found = wrong(run(tmp_path)[1])
    assert set(found) == {("peer-reachable", "w5 8472/udp"), ("peer-reachable", "m2 10250/tcp")}


def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    cards = healthy()
    gathering(tmp_path, cards)
    changed = reach(cards[1], 10250, "tcp", "filtered", "network", "x" * 100_000)
    (tmp_path / "x.json").write_text(json.dumps(probe_report(cards[0], [changed])))
    message = wrong(run(tmp_path)[1])["peer-reachable", "m2 10250/tcp"]["message"]
    assert 1000 < len(message) < 1200


def test_a_sampled_run_says_what_it_may_have_missed(tmp_path: Path) -> None:
    write(tmp_path, healthy(97))
    (tmp_path / "plan.json").write_text('{"kind": "ProbePlan", "k": 3, "seed": 7}')
    (note,) = run(tmp_path)[1]["notes"]
    assert "every master and 3 others (seed 7)" in note
    # 97 workers: a way between two of them is tried with probability 3/96.
    assert "with probability 0.9688" in note


def test_clocks_are_measured_and_the_one_that_is_off_is_named() -> None:
    def probed(sender: str, peer: str, ahead_ms: float) -> Probed:
        role, label = "worker", "10250/tcp"
        return Probed(
            sender, role, peer, role, "", label, "", "open", "", "", False, 1, ahead_ms
        )  # fmt: skip

    names, off = ("a", "b", "c", "d"), {"c": -300_000.0}
    probes = [
        probed(one, other, off.get(other, 0.0) - off.get(one, 0.0))
        for one in names
        for other in names
        if one != other
    ]
    (found,) = clocks(probes)
    assert (found.nodes, found.observed) == (("c",), "-300.0 s")
    (fine,) = clocks(probes[:1])
    assert fine.nodes == ()


def test_a_pair_has_the_worse_of_two_families() -> None:
    def probed(outcome: str) -> Probed:
        return Probed("a", "", "b", "", "", "1/tcp", "", outcome, "", outcome, False, None, None)

    (cell,) = cells([probed("open"), probed("filtered"), probed("open")])
    assert (cell.worst, cell.flows) == ("filtered", {"1/tcp": ("filtered", "filtered")})


def test_an_empty_place_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is in"):
        gather(str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be read"):
        gather(str(tmp_path / "no"))


@pytest.mark.parametrize("form", ["text", "yaml", "junit", "sarif", "html"])
def test_every_format_is_made_of_hostile_input(tmp_path: Path, form: str) -> None:
    seeded(tmp_path)
    done = nodeprep("fleet", "report", str(tmp_path), "-o", form)
    assert (done.returncode, done.stderr) == (1, "")
    if form == "html":
        assert HOSTILE not in done.stdout
        assert "{{7*7}}" in done.stdout
        assert "nnnn" * 200 not in done.stdout


def test_a_plan_is_made_of_cards_and_read_by_the_report(tmp_path: Path) -> None:
    write(tmp_path, healthy(97))
    done = nodeprep("fleet", "plan", str(tmp_path), "-k", "3", "--seed", "7")
    assert (done.returncode, done.stderr) == (0, "")
    made = json.loads(done.stdout)
    jsonschema.Draft202012Validator(
        json.loads(SCHEMA.with_name("probe-plan.schema.json").read_text())
    ).validate(made)
    assert made["pairs"] == 3 * (2 + 3) + 97 * (3 + 3)
    assert all({"m1", "m2", "m3"} - {name} <= set(peers) for name, peers in made["peers"].items())
    (tmp_path / "plan.json").write_text(done.stdout)
    (note,) = run(tmp_path)[1]["notes"]
    assert f"with probability {made['missed']['pair']:.4g}" in note
    # Whatever the files are called.
    for path in tmp_path.glob("0*.json"):
        path.rename(tmp_path / f"x{99_999 - int(path.stem)}.json")
    (tmp_path / "plan.json").unlink()
    again = nodeprep("fleet", "plan", str(tmp_path), "-k", "3", "--seed", "7")
    assert again.stdout == done.stdout


@pytest.mark.parametrize("flags", [["-k", "0"], ["-k", "1001"], ["-o", "text"]])
def test_a_plan_refuses_what_makes_no_sense(tmp_path: Path, flags: list[str]) -> None:
    write(tmp_path, healthy())
    done = nodeprep("fleet", "plan", str(tmp_path), *flags)
    assert (done.returncode, done.stdout) == (2, "")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _picture(place: Path) -> tuple[Picture, CompareReport]:
    gathered = gather(str(place))
    deck = build(gathered.filed)
    probes = sort(gathered, deck)
    findings = tuple(run_comparisons(deck, COMPARISONS, registry()))
    made = CompareReport("kubernetes", (), "2026-11-23T12:00:00Z", 1, findings)
    return Picture(deck, cells(probes.every), role_ports(probes.plain)), made


def test_a_terminal_has_the_tables_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    picture, made = _picture(tmp_path)

    def shown(stream: io.StringIO, *, quiet: bool = False, verbose: bool = False) -> str:
        return render(
            made, "text", quiet=quiet, verbose=verbose, stream=stream, picture=picture
        )  # fmt: skip

    text = shown(_Terminal())
    page = render(made, "html", quiet=False, verbose=False, stream=io.StringIO(), picture=picture)
    # Row by row, the marks that the page's script makes of the same cells.
    rows = re.findall(
        r'<tr><th scope="row">([^<]*)</th>\s*((?:<td(?: class="none")?>.*?</td>\s*)+)', page
    )
    lines = iter(text.partition("Who reaches whom: ")[2].splitlines()[2:])
    heat = [(name, cells) for name, cells in rows if "data-flows" in cells]
    assert len(heat) == 8
    for name, found in heat:
        marks = []
        for flows in re.findall(
            r"<td(?: class=\"none\")?>(?:<button[^>]* data-flows=\"([^\"]*)\")?", found
        ):
            told = json.loads(unescape(flows)) if flows else {}
            marks.append(mark(outcome for outcome, _ in told.values()))
        line = next(lines)
        assert unescape(name) in line
        assert line.split()[-len(marks) :] == marks
    for heading in ("Nodes by role", "Clones and duplicates", "Ports by role"):
        assert heading in page
        assert heading in text
    # Of the flows only those with something broken have a table.
    assert "Who reaches whom at 8472/udp" in text
    assert "Who reaches whom at 6443/tcp" not in text
    assert all(line.isprintable() for line in text.splitlines())
    # In a pipe only where asked for, and never where only what needs doing is.
    assert "Nodes by role" not in shown(io.StringIO())
    assert "Nodes by role" in shown(io.StringIO(), verbose=True)
    assert "Nodes by role" not in shown(_Terminal(), quiet=True)
