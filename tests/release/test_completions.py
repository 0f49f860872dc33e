"""The completions, loaded by the shells that they are for."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from release import completions
from tests.kernel import require_kernel

ROOT = Path(__file__).parents[2]
BASH = """
source {script}
complete -p nodeprep >/dev/null || exit 9
COMP_WORDS=({line}) COMP_CWORD={at}
_nodeprep_completion nodeprep
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
CASES = {
    "nodeprep fi": {"fix", "firewall"},
    "nodeprep fix --dr": {"--dry-run"},
    "nodeprep firewall ap": {"apply"},
    "nodeprep check --role mu": {"multi-master"},
    "nodeprep check --cni flannel/vx": {"flannel/vxlan", "flannel/vxlan-4789"},
    "nodeprep fix --only swap-off,ip-f": {"swap-off,ip-forward"},
    "nodeprep explain swap": {"swap-off"},
    "nodeprep firewall apply --posture en": {"enforce"},
    "nodeprep cloud render a": {"aws", "azure"},
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("shells") / "completions"
    completions.write(target)
    return target


@pytest.fixture
def shell_environment(tmp_path: Path) -> dict[str, str]:
    """The command of this tree is the one that a shell finds."""
    import sys

    command = tmp_path / "bin" / "nodeprep"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m preflight "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(("line", "wanted"), CASES.items())
def test_bash(
    line: str, wanted: set[str], scripts: Path, shell_environment: dict[str, str]
) -> None:
    require_kernel("bash")
    at = len(line.split()) - 1
    text = BASH.format(script=scripts / "nodeprep.bash", line=line, at=at)
    assert printed("bash", "--norc", "-c", text, environment=shell_environment) == wanted


@pytest.mark.parametrize(("line", "wanted"), CASES.items())
def test_fish(
    line: str, wanted: set[str], scripts: Path, shell_environment: dict[str, str]
) -> None:
    require_kernel("fish")
    text = f'source {scripts / "nodeprep.fish"}; complete -C "{line}"'
    found = printed("fish", "--no-config", "-c", text, environment=shell_environment)
    assert {each.partition("\t")[0] for each in found} == wanted


@pytest.mark.parametrize(("line", "wanted"), CASES.items())
def test_zsh(line: str, wanted: set[str], scripts: Path, shell_environment: dict[str, str]) -> None:
    require_kernel("zsh")
    shell = Terminal(["zsh", "-f", "-i"], shell_environment)
    try:
        shell.send("PS1='ready> '; unsetopt ZLE_BRACKETED_PASTE; LISTMAX=0\n")
        shell.send(
            f"fpath=({scripts} $fpath); autoload -Uz compinit; compinit -u -D; echo load''ed\n"
        )
        shell.until("loaded")
        # The very first completion of a session must work too.
        shell.send(f"{line}\t\t")
        for word in wanted:
            shell.until(word)
    finally:
        shell.close()


def printed(*argv: str, environment: dict[str, str]) -> set[str]:
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("\n")) - {""}


class Terminal:
    """A program that believes that a person types."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.seen = ""
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.execvpe(argv[0], argv, environment)  # noqa: S606

    def send(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def until(self, text: str, timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while text not in self.seen:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.terminal], [], [], max(0.0, left))
            assert ready, f"{text!r} was not seen in {self.seen!r}"
            self.seen += os.read(self.terminal, 65536).decode(errors="replace")

    def close(self) -> None:
        os.close(self.terminal)
        os.waitpid(self.process, 0)
