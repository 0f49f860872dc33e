"""Every command that README and docs tell one to type, and that only reads, does what it says."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from preflight.cli.main import run

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
_FENCED = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
# What neither reads this machine nor changes anything.
_READS = re.compile(
    r"nodeprep (explain \S|ports|compare cards|check .*--facts"
    r"|firewall render|cni render|cloud (render|lint|audit))"
)
# The names that the pages give to files, and what stands for them here.
_FILES = {
    "nodeprep.yaml": "nodeprep.yaml",
    "cluster.yaml": "nodeprep.yaml",
    "cloud.yaml": "cloud.yaml",
    "node.json": "node.json",
    "security-groups.json": "security-groups.json",
    "cards": "cards",
    "docs/examples": ".",
}
# 0 and 1 are answers; these pages show what is wrong on purpose.
_ANSWERS_1 = re.compile(r"check .*--facts|compare|cloud (audit|lint docs)")


def lines() -> list[str]:
    found = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in _FENCED.findall(page.read_text()):
            for line in block.splitlines():
                text = line.partition(" #")[0].strip().removeprefix("$ ")
                if _READS.match(text) and text not in found:
                    found.append(text)
    return found


def test_there_are_such_lines() -> None:
    assert len(lines()) >= 25


@pytest.mark.parametrize("line", lines())
def test_a_line_of_the_docs_works(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, source in _FILES.items():
        place, there = tmp_path / name, EXAMPLES / source
        place.parent.mkdir(exist_ok=True)
        (shutil.copytree if there.is_dir() else shutil.copy)(there, place)
    monkeypatch.chdir(tmp_path)
    if line.startswith("nodeprep firewall"):
        # As if it were the file of the machine, as docs/firewall.md says.
        monkeypatch.setenv("NODEPREP_CONFIG", "nodeprep.yaml")
    code = run(shlex.split(line)[1:])
    shown = capsys.readouterr()
    assert code in ((0, 1) if _ANSWERS_1.search(line) else (0,)), shown.err
    assert shown.out
