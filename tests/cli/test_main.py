"""The command line's contract: exit codes, streams, what is loaded, who may run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from preflight import __version__
from preflight.cli.main import COMMANDS, run

ROOT = Path(__file__).parents[2]
# Loading one of these would cost more than the whole budget of --help, or is not needed to judge.
FORBIDDEN = {
    "pydantic", "pyroute2", "jinja2", "iptc", "yaml", "rich", "h2", "asyncio", "ssl", "http",
    "email", "logging", "unittest", "importlib.metadata", "multiprocessing", "pkg_resources",
}  # fmt: skip
# shellingham and annotated_doc are what typer itself loads.
HELP_MODULES = {"preflight", "rules", "typer", "annotated_doc", "shellingham"}
CHECK_MODULES = {*HELP_MODULES, "psutil"}
if sys.version_info < (3, 11):
    # tomllib came with 3.11; the containerd configuration is TOML.
    CHECK_MODULES.add("tomli")


def nodeprep(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "preflight", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def loaded(*arguments: str) -> set[str]:
    """The modules that a command line loads, in a process of its own."""
    code = (
        "import sys; from preflight.cli.main import run; code = run(sys.argv[1:]); "
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    )
    return set(done.stderr.split())


def third_party(modules: set[str]) -> set[str]:
    tops = {name.split(".")[0] for name in modules}
    return {name for name in tops if name not in sys.stdlib_module_names and name[0] != "_"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], HELP_MODULES),
        (["check", "--help"], HELP_MODULES),
        (["check", "--role", "master", "--offline"], CHECK_MODULES),
        (["check", "--role", "worker", "--offline", "-o", "json"], CHECK_MODULES),
    ],
)
def test_the_set_of_modules_that_a_command_loads(arguments: list[str], expected: set[str]) -> None:
    modules = loaded(*arguments)
    assert third_party(modules) <= expected
    assert not modules & FORBIDDEN


def test_help_loads_no_command_and_no_fact() -> None:
    ours = {name for name in loaded("--help") if name.startswith(("preflight.", "rules."))}
    assert ours == {
        "preflight.cli",
        "preflight.cli.main",
        "preflight.cli.subcommands",
        "preflight.report",
        "preflight.report.plain",
        "rules.errors",
        "rules.words",
    }


def test_every_listed_command_has_help() -> None:
    for name in COMMANDS:
        done = nodeprep(name, "--help")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"Usage: nodeprep {name}")


def test_version() -> None:
    assert nodeprep("--version").stdout == f"nodeprep {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["chek"],
        ["check"],
        ["check", "--role", "boss"],
        ["check", "--role", "worker", "--nonsense"],
        ["check", "--role", "worker", "--phase", "later"],
        ["check", "--role", "worker", "--ignore", "swop"],
        ["check", "--role", "worker", "-o", "xml"],
        ["check", "--role", "worker", "--facts", "/nonexistent"],
        ["check", "--role", "worker", "--config", "/nonexistent"],
        ["check", "--role", "worker", "--kubernetes-version", "new"],
        ["check", "--role", "worker", "--cni", "flanel"],
        ["explain", "swop"],
        ["explain", "-o", "xml"],
        ["facts", "-o", "xml"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2_and_says_what_is_wrong(arguments: list[str]) -> None:
    done = nodeprep(*arguments)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["chek"], "check"),
        (["firewall", "aply"], "apply"),
        (["cni", "instal"], "install"),
        (["cloud", "rendr"], "render"),
        (["check", "--role", "wroker"], "worker"),
        (["check", "--role", "worker", "--phase", "aftr"], "after"),
        (["check", "--role", "worker", "-o", "jsn"], "json"),
        (["facts", "-o", "yml"], "yaml"),
        (["firewall", "plan", "--role", "worker", "--posture", "enfrce"], "enforce"),
        (["firewall", "render", "--role", "worker", "--source", "pod=10.0.0.0/8"], "pods"),
        (["cloud", "render", "awz"], "aws"),
    ],
    ids=" ".join,
)
def test_a_misspelt_word_is_told_with_the_nearest(
    words: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert capsys.readouterr().err.endswith(f"; did you mean {near}?\n")


def test_nothing_is_near_to_what_is_like_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["zzzz"]) == 2
    assert capsys.readouterr().err.endswith("No such command 'zzzz'\n")


def test_the_commands_that_mend_name_the_same_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    node, cluster = "docs/examples/node.json", "docs/examples/nodeprep.yaml"
    words = ["--role", "worker", "--config", str(ROOT / cluster), "--cni", "calico"]
    assert run(["check", *words, "--facts", str(ROOT / node), "-q"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert f": nodeprep fix {' '.join(words)}; --dry-run shows" in last


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--role", "boss", "--debug"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "boss" in said.splitlines()[-1]


def test_control_plane_means_master() -> None:
    done = nodeprep("check", "--role", "control-plane", "--offline", "-o", "json")
    assert json.loads(done.stdout)["role"] == "master"


def test_a_missing_role_is_told_with_the_roles(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check"]) == 2
    assert "master, worker, multi-master or etcd" in capsys.readouterr().err


def test_the_role_may_come_from_the_environment() -> None:
    done = nodeprep("check", "--offline", "-o", "json", NODEPREP_ROLE="worker")
    assert json.loads(done.stdout)["role"] == "worker"


def test_stdout_holds_the_report_and_nothing_else() -> None:
    done = nodeprep("check", "--role", "master", "--offline", "-o", "json")
    assert json.loads(done.stdout)["kind"] == "CheckReport"
    assert done.returncode in (0, 1, 3)


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        [
            "bash",
            "-o",
            "pipefail",
            "-c",
            f"{sys.executable} -m preflight explain -o markdown | head -1",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
