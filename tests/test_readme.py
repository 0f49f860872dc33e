"""The outputs that README and docs quote are what the program prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(
    r"<!-- output: nodeprep (?P<line>.*?) -->\n(?P<text>.*?)<!-- end -->", re.DOTALL
)
PAGES = sorted(
    path
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    if _BLOCK.search(path.read_text())
)


def output(line: str) -> str:
    """What the command prints, the time it took made the same for all."""
    done = subprocess.run(
        [sys.executable, "-m", "preflight", *shlex.split(line)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "COLUMNS": "100", "HOME": "/nonexistent"},
    )
    assert done.returncode in (0, 1, 3), done.stderr
    return re.sub(r", in \d+\.\d\d s", ", in 0.02 s", done.stdout)


def block(line: str) -> str:
    shown = f"```console\n$ nodeprep {line}\n{output(line)}```"
    return f"<!-- output: nodeprep {line} -->\n\n{shown}\n\n<!-- end -->"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_readme_and_docs_quote_what_the_program_prints(page: Path) -> None:
    text = page.read_text()
    expected = _BLOCK.sub(lambda match: block(match["line"]), text)
    if os.environ.get("NODEPREP_UPDATE_DOCS") == "1":
        page.write_text(expected)
        text = expected
    assert text == expected, "run: make docs"


def test_check_reference_in_docs_is_the_programs() -> None:
    page = ROOT / "docs" / "checks.md"
    expected = output("explain -o markdown")
    if os.environ.get("NODEPREP_UPDATE_DOCS") == "1":
        page.write_text(expected)
    assert page.read_text() == expected, "run: make docs"


def test_every_relative_link_leads_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
