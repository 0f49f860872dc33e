"""The manual page: no warning of either reader, and every command and option in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from release.manual import manual, pages, paragraphs, roff
from tests.kernel import require_kernel


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("man") / "nodeprep.1"
    path.write_text(manual("0.0.0", 1700000000))
    return path


def read(*argv: str) -> subprocess.CompletedProcess[str]:
    require_kernel(argv[0])
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)


def test_groff_and_mandoc_have_nothing_to_warn_of(page: Path) -> None:
    groff = read("groff", "-man", "-Tutf8", "-ww", "-rCHECKSTYLE=3", str(page))
    assert (groff.returncode, groff.stderr) == (0, "")
    mandoc = read("mandoc", "-Tlint", "-Wwarning", str(page))
    assert (mandoc.returncode, mandoc.stdout) == (0, "")


def test_it_shows_every_command_and_option(page: Path) -> None:
    shown = " ".join(read("mandoc", "-Tascii", "-Owidth=200", str(page)).stdout.split())
    shown = "".join(part[1:] if at else part for at, part in enumerate(shown.split("\b")))
    found = list(pages())
    assert len(found) > 30
    for command in found:
        assert f"nodeprep {command.path}".strip() in shown
        for names, text in command.options:
            assert " ".join(names.split()) in shown
            assert " ".join(text.split())[:60] in shown


@pytest.mark.parametrize(
    "text",
    [
        ".SH NAME",
        "'br",
        "\\fBbold\\fP \\n[x]",
        "-o 'x' `y` ~z ^q",
        '"quoted" \\" comment',
        "…\u2028",
    ],
)
def test_a_text_stays_text(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.1"
    path.write_text(f".TH X 1 2023-11-14 x x\n.SH A\n{roff(text)}\n.SH B\n{paragraphs(text)}\n")
    done = read("groff", "-man", "-Tutf8", "-ww", "-k", "-P-c", "-P-bou", str(path))
    assert done.stderr == ""
    words = " ".join(text.split())
    assert done.stdout.count(words) == 2, done.stdout
