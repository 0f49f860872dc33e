"""Proofs as text and JSON, and the flags that belong together."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from preflight.cli.main import run
from preflight.report import proof as report
from rules.proof.probeplan import Depth, Sender
from rules.proof.proofrun import Difference
from rules.proof.prove import Proof
from rules.proof.sweep import Case
from rules.render import Posture
from tests.rules.proof.seeds import WORKER

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
EXACT = Proof(
    backend="nftables",
    role="worker",
    posture="enforce",
    families=(4, 6),
    senders=(
        Sender(("masters", "nodes"), ip_address("192.0.2.11")),
        Sender(("outside",), ip_address("2a00::1")),
    ),
    probes=1_234_567,
    accepted=89_012,
    expected=89_012,
    unexpected=(),
    missing=(),
    duration_ms=3456.78,
)
WRONG = replace(
    EXACT,
    unexpected=tuple(
        Difference("input", 4, "outside", ip_address("8.8.8.8"), f"tcp {port}")
        for port in range(1, 60, 2)
    ),
    missing=(Difference("forward-dnat", 6, "edge", ip_address("2001:db8::1"), "udp 30000-32767"),),
    sampled=("IPv4 source edges",),
)
CASE = Case(WORKER, ("bridge", "master:ptp/ptp"), "nftables", Posture.ENFORCE, Depth.EVERY)


def schema(name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return made


@pytest.mark.parametrize("proof", [EXACT, WRONG], ids=["exact", "wrong"])
def test_the_documents_are_what_their_schemas_say(proof: Proof) -> None:
    jsonschema.validate(report.document(proof), schema("firewall-proof"))
    whole = report.sweep_document([(CASE, proof)], 5000.04)
    jsonschema.validate(whole, schema("firewall-proofs"))
    assert whole["exact"] is proof.exact
    assert whole["proofs"][0]["proof"] == report.document(proof)
    assert json.loads(json.dumps(whole)) == whole


def test_an_exact_proof_as_text() -> None:
    assert report.text(EXACT).splitlines() == [
        "nftables, worker, enforce: exact",
        "  1,234,567 probes over IPv4 and IPv6 in 3.5 s",
        "  89,012 let through, 89,012 expected",
        "  0 unexpected, 0 missing",
        "  from masters, nodes  192.0.2.11",
        "  from outside         2a00::1",
    ]


def test_what_differs_is_said_and_not_all_of_it() -> None:
    lines = report.text(WRONG).splitlines()
    assert lines[0] == "nftables, worker, enforce: NOT EXACT"
    assert "  IPv4 source edges: too many to send all, a sample was sent" in lines
    assert "let through, and no flow admits it:" in lines
    assert "  input: tcp 1 from 8.8.8.8 (outside)" in lines
    assert "  and 10 more (-o json has all)" in lines
    assert "dropped, and a flow needs it:" in lines
    assert lines[-1] == "  forward-dnat: udp 30000-32767 from 2001:db8::1 (edge)"


def test_the_table_sums_up() -> None:
    lines = report.sweep_text([(CASE, EXACT), (CASE, EXACT)], 61_000).splitlines()
    assert lines[0].split()[:4] == ["ROLE", "BACKEND", "POSTURE", "RULESETS"]
    assert lines[1].split() == (
        ["worker", "nftables", "enforce", "2", "2,469,134", "178,024", "178,024", "2", "of", "2"]
    )
    assert lines[-1] == (
        "exact: 2 rulesets, which are those of 4 combinations of role, pod network, backend and "
        "posture, in 61 s"
    )
    lines = report.sweep_text([(CASE, EXACT), (CASE, WRONG)], 61_000).splitlines()
    assert "1 of 2" in lines[1]
    assert "pod network bridge, master:ptp/ptp:" in lines
    assert lines[-1].startswith("NOT EXACT: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--role is missing"),
        (["--all", "--role", "worker"], "--all has a cluster of its own"),
        (["--role", "worker", "-o", "xml"], "-o takes"),
        (["--role", "worker", "--backend", "ufw"], "--backend takes nftables"),
        (["--role", "worker", "--posture", "deny"], "--posture takes allow or enforce"),
        (["--role", "worker"], "the addresses of"),
    ],
)
def test_wrong_usage_is_said(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["firewall", "prove", *arguments]) == 2
    assert said in capsys.readouterr().err
