"""A reader that breaks, hangs or is refused costs its own subject, and the rest is there."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from preflight.cli.main import run
from preflight.facts import collect as collecting
from preflight.facts import hardware, kernel
from preflight.facts.host import Host
from preflight.facts.model import Unknown
from preflight.settings import Settings


def broken(host: Host, settings: Settings) -> Any:
    raise ValueError("no such line")


def hanging(host: Host, settings: Settings) -> Any:
    threading.Event().wait(30)


def test_a_reader_that_raises_is_one_unknown_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "collect", broken)
    facts = collecting.collect(Host(offline=True), Settings())
    assert isinstance(facts.hardware, Unknown)
    assert facts.hardware.reason == "failed"
    assert "ValueError: no such line" in facts.hardware.message
    assert not isinstance(facts.kernel, Unknown)


def test_a_reader_that_hangs_is_one_unknown_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "collect", hanging)
    facts = collecting.collect(Host(offline=True), Settings(), deadline_s=1.5)
    assert isinstance(facts.kernel, Unknown)
    assert facts.kernel.reason == "timeout"
    assert not isinstance(facts.hardware, Unknown)


@pytest.mark.parametrize("reader", [broken, hanging])
def test_the_run_ends_with_the_worse_code(
    reader: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hardware, "collect", reader)
    monkeypatch.setattr(collecting, "DEADLINE_S", 1.5)
    code = run(["check", "--role", "etcd", "--offline", "-o", "json"])
    report = json.loads(capsys.readouterr().out)
    memory = [found for found in report["findings"] if found["id"] == "memory"]
    assert [found["status"] for found in memory] == ["unknown"]
    assert code == {"not-ready": 1, "undetermined": 3}[report["verdict"]]
