"""What is said of an absent package is what pyproject.toml asks for, and a shell takes it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rules.extras import absent

ROOT = Path(__file__).parents[2]
CALLS = [
    match
    for path in sorted((ROOT / "rules").rglob("*.py"))
    for match in re.findall(r'raise absent\("[^"]+", "([^"]+)"\)', path.read_text())
]


@pytest.mark.parametrize("requirement", CALLS)
def test_the_requirement_is_that_of_an_extra(requirement: str) -> None:
    extras = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2]
    assert f' = ["{requirement}"]\n' in extras.partition("\n[")[0]
    said = str(absent("to do it", requirement))
    command = said.partition(": ")[2].partition("; ")[0]
    assert shlex.split(command) == ["pip", "install", requirement]


def test_there_are_such_calls() -> None:
    assert len(CALLS) == 2
