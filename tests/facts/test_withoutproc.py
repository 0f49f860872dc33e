"""A machine without /proc, and one without room for threads: unknown is not absent."""

from __future__ import annotations

import threading

import pytest

from preflight.facts.collect import run_all
from preflight.facts.features import read_features
from preflight.facts.sysctls import NAMES, read_sysctls
from tests.facts.tree import Tree


def test_without_proc_no_setting_and_no_option_is_missing() -> None:
    assert read_sysctls(Tree({})) == ({}, NAMES)
    assert "CGROUPS" not in read_features(Tree({}))
    # Here /proc is there, and the kernel has no such thing.
    assert read_features(Tree({"/proc/self/ns/net": ""}))["CGROUPS"] is False


def test_where_no_thread_can_start_everything_is_still_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done: list[str] = []
    run_all({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, 1.0)
    assert done == ["a", "b"]


def test_the_others_wait_until_the_link_is_asked() -> None:
    asked = threading.Event()
    seen: list[object] = []

    def network() -> None:
        seen.append("network")
        asked.set()

    run_all({"network": network, "a": lambda: seen.append(asked.is_set())}, 5.0, asked)
    assert seen == ["network", True]
    # One that is never asked keeps nobody for long.
    never = threading.Event()
    run_all({"network": lambda: None, "a": lambda: seen.append("a")}, 5.0, never)
    assert seen[2:] == ["a"]
