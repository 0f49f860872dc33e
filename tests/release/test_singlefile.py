"""The single file on every Python of the machine, without a network, a home or a package."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from preflight import __version__
from tests.fixes.cases import CASES
from tests.fixes.lab import Node
from tests.kernel import require_kernel
from tests.pythons import SUPPORTED, interpreters

pytestmark = pytest.mark.install
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/node.json"
PYTHONS = sorted({*SUPPORTED, sys.version_info[:2]})
CHECK = ("check", "--role", "worker", "--facts", str(EXAMPLE), "--quiet")
SOURCES = ("--source", "masters=192.0.2.0/24", "--source", "pods=10.244.0.0/16")
NOBODY = 65534
# Netlink, TOML and psutil's compiled part; a new network namespace has one interface.
PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
from onefile.importer import Importer
sys.meta_path.insert(0, Importer(sys.argv[1], {}))
import psutil, yaml, h2.connection, pyroute2.nftables.main, importlib
importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
print(len(psutil.net_if_addrs()), psutil.__file__)
"""


def run(
    *argv: str | Path, rc: int | None = 0, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(env or {})}
    done = subprocess.run(
        list(map(str, argv)), capture_output=True, text=True, timeout=120, check=False, env=clean
    )
    assert rc is None or done.returncode == rc, done.stderr[-2000:]
    return done


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, str]:
    return {"NODEPREP_CACHE_DIR": str(tmp_path / "cache")}


@pytest.fixture(scope="module")
def programs() -> dict[tuple[int, int], str]:
    """Version -> an interpreter of it. Each is started to ask it, so not while tests are found."""
    return {**interpreters(), sys.version_info[:2]: sys.executable}


@pytest.mark.parametrize("version", PYTHONS, ids=lambda each: f"{each[0]}.{each[1]}")
def test_it_answers_as_the_installed_command_does(
    version: tuple[int, int],
    programs: dict[tuple[int, int], str],
    dist: Path,
    cache: dict[str, str],
) -> None:
    require_kernel()
    if version not in programs:
        pytest.skip(f"no Python {version[0]}.{version[1]} on this machine")
    # No network, and -S -E: no package of this interpreter, no variable of the caller.
    alone: list[str | Path] = ["unshare", "--net", programs[version], "-S", "-E", dist / "nodeprep"]
    assert run(*alone, "--version", env=cache).stdout == f"nodeprep {__version__}\n"
    installed = run(sys.executable, "-m", "preflight", *CHECK, rc=1, env={"PYTHONPATH": str(ROOT)})
    for _ in range(2):
        answer = run(*alone, *CHECK, rc=1, env=cache)
        assert without_time(answer.stdout) == without_time(installed.stdout)
        assert answer.stderr == installed.stderr
    render = ("firewall", "render", "--role", "worker", "--backend", "nftables", *SOURCES)
    rules = run(*alone, *render, env=cache)
    assert "table inet nodeprep" in rules.stdout
    loaded = run(*alone[:-1], "-c", PROBE, dist / "nodeprep", env=cache)
    assert loaded.stdout == f"1 {dist}/nodeprep/psutil/__init__.py\n"


def without_time(text: str) -> str:
    return text.rpartition(", in ")[0]


def test_it_starts_by_its_own_name_from_any_directory(
    dist: Path, tmp_path: Path, cache: dict[str, str]
) -> None:
    copy = tmp_path / "nodeprep"
    shutil.copy(dist / "nodeprep", copy)
    first = Path(sys.executable).parent
    environment = {**cache, "PATH": f"{first}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["./nodeprep", "--version"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"nodeprep {__version__}\n", "")


@pytest.mark.parametrize("redirect", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_streams_are_not_taken_for_files_of_its_own(
    redirect: str, dist: Path, cache: dict[str, str]
) -> None:
    command = f"exec {sys.executable} -S -E {dist}/nodeprep {' '.join(CHECK)} {redirect}"
    # Without and with a cache, whose directory would get the first free descriptor.
    for _ in range(2):
        done = run("bash", "-c", command, rc=3, env=cache)
        said = "" if "2>&-" in redirect else "nodeprep: standard output cannot be written: "
        assert done.stderr.startswith(said)
        assert len(done.stderr.splitlines()) == (1 if said else 0)


def test_an_old_python_hands_over_to_a_newer_one_or_says_what_is_missing(
    dist: Path, tmp_path: Path, cache: dict[str, str]
) -> None:
    old = next(Path("~/.pyenv/versions").expanduser().glob("3.[6-9].*/bin/python3"), None)
    if old is None:
        pytest.skip("no Python older than 3.10 on this machine")
    newer = tmp_path / "bin" / "python3.12"
    newer.parent.mkdir()
    newer.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    newer.chmod(0o755)
    path = {**cache, "PATH": str(newer.parent)}
    assert run(old, dist / "nodeprep", "--version", env=path).stdout == f"nodeprep {__version__}\n"
    # What is named like one and is none, such as a version manager's shim, is passed over.
    newer.write_text("#!/bin/sh\nexit 127\n")
    hidden = "for d in /usr/local/bin /usr/bin; do /usr/bin/mount -t tmpfs none $d; done; exec "
    require_kernel()
    argv: list[str | Path] = [
        "/usr/bin/unshare",
        "--mount",
        "/bin/sh",
        "-c",
        f'{hidden}"$@"',
        "sh",
        old,
    ]
    refused = run(*argv, dist / "nodeprep", "check", rc=3, env=path)
    assert refused.stderr.startswith("nodeprep: needs Python 3.10 or newer, and ")
    assert refused.stdout == ""


def test_the_second_run_compiles_nothing(dist: Path, tmp_path: Path, cache: dict[str, str]) -> None:
    argv: list[str | Path] = [sys.executable, "-S", "-E", dist / "nodeprep", *CHECK]
    run(*argv, rc=1, env=cache)
    (code,) = (tmp_path / "cache").iterdir()
    assert (code.stat().st_mode & 0o777, code.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    before = code.stat()
    run(*argv, rc=1, env=cache)
    after = code.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_after_its_first_run_it_takes_at_most_half_more_than_the_installed_one(
    dist: Path, tmp_path: Path, cache: dict[str, str]
) -> None:
    live = ("check", "--role", "worker", "--offline")
    installed = (Path(sys.executable).with_name("nodeprep"), *live)
    single = (sys.executable, dist / "nodeprep", *live)
    run(*installed, rc=None, env=cache)
    run(*single, rc=None, env=cache)
    # Processor time of the quickest of some runs, side by side: others work on this machine too.
    pairs = [(spent(installed, cache), spent(single, cache)) for _ in range(5)]
    quickest = [min(times) for times in zip(*pairs, strict=True)]
    assert quickest[1] < 1.5 * quickest[0], quickest


def spent(argv: tuple[str | Path, ...], environment: dict[str, str]) -> float:
    def total() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = total()
    run(*argv, rc=None, env=environment)
    return total() - before


def test_first_runs_at_the_same_time_all_answer(
    dist: Path, tmp_path: Path, cache: dict[str, str]
) -> None:
    argv = [sys.executable, "-S", "-E", str(dist / "nodeprep"), *CHECK]
    environment = {"PATH": os.environ["PATH"], **cache}
    running = [
        subprocess.Popen(
            argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    answers = [each.communicate(timeout=120) for each in running]
    assert {each.returncode for each in running} == {1}
    assert len({without_time(out) for out, _ in answers}) == 1
    assert {err for _, err in answers} == {answers[0][1]}
    assert len(list((tmp_path / "cache").iterdir())) == 1


PLACES = {
    "read-only": "mount -t tmpfs -o ro none",
    "full": "mount -t tmpfs -o size=64k,mode=700 none",
    "noexec": "mount -t tmpfs -o noexec,mode=700 none",
    "no inode left": "mount -t tmpfs -o nr_inodes=1,mode=700 none",
}


@pytest.mark.kernel
@pytest.mark.parametrize("place", PLACES)
def test_it_answers_where_the_cache_cannot_be_kept(place: str, dist: Path, tmp_path: Path) -> None:
    require_kernel()
    (tmp_path / "cache").mkdir(mode=0o700)
    inside = f'{PLACES[place]} "$NODEPREP_CACHE_DIR" && exec "$@"'
    argv = ["unshare", "--mount", "sh", "-c", inside, "sh", sys.executable, "-S", "-E"]
    cache = {"NODEPREP_CACHE_DIR": str(tmp_path / "cache")}
    answer = run(*argv, dist / "nodeprep", *CHECK, rc=1, env=cache)
    assert "swap-off" in answer.stdout
    assert "Traceback" not in answer.stderr


@pytest.mark.kernel
def test_the_compiled_part_loads_where_no_directory_allows_programs(
    dist: Path, cache: dict[str, str]
) -> None:
    require_kernel()
    inside = (
        "for d in /tmp /var/tmp /dev/shm /run; do "
        'mount --bind $d $d && mount -o remount,bind,noexec $d; done; exec "$@"'
    )
    argv = [
        "unshare",
        "--mount",
        "--net",
        "sh",
        "-c",
        inside,
        "sh",
        os.path.realpath(sys.executable),
    ]
    assert run(*argv, "-S", "-E", "-c", PROBE, dist / "nodeprep", env=cache).stdout[:2] == "1 "


@pytest.mark.kernel
def test_another_users_directory_is_not_trusted(dist: Path, tmp_path: Path) -> None:
    require_kernel()
    place = tmp_path / "cache"
    argv: list[str | Path] = [sys.executable, "-S", "-E", dist / "nodeprep", *CHECK]
    cache = {"NODEPREP_CACHE_DIR": str(place)}
    run(*argv, rc=1, env=cache)
    (code,) = place.iterdir()
    good = code.read_bytes()
    # Code of the right name and shape that would tell of itself, were it run.
    code.write_bytes(poisoned(good, code.name, tmp_path / "ran"))
    os.chown(code, NOBODY, NOBODY)
    run(*argv, rc=1, env=cache)
    assert not (tmp_path / "ran").exists()
    # The same file where all is ours does run: the case above proves something.
    code.write_bytes(poisoned(good, code.name, tmp_path / "ran"))
    run(*argv, rc=None, env=cache)
    assert (tmp_path / "ran").exists()


def poisoned(good: bytes, name: str, trace: Path) -> bytes:
    """The cache with one more statement in a module that every run imports."""
    import marshal

    from onefile import codecache

    code = {
        module: (package, bytes(data))
        for module, (package, data) in codecache._unpacked(good, name).items()
    }
    source = f"open({str(trace)!r}, 'w').close()\n__version__ = '0'\n"
    code["preflight"] = (True, marshal.dumps(compile(source, "preflight", "exec")))
    return codecache._packed(code, name)


@pytest.mark.kernel
def test_the_timer_that_takes_rules_back_calls_the_file_itself(dist: Path, tmp_path: Path) -> None:
    require_kernel()
    dropping = next(case for case in CASES if case.name == "a packet filter that drops")
    node = Node(tmp_path, dropping.seed)
    try:
        before = node.run("iptables-save")
        # Stands for systemd-run: keeps what it is told to run when the time is over.
        node.write("/run/bin/systemd-run", '#!/bin/sh\nprintf "%s\\0" "$@" > /run/armed\n')
        node.shell("chmod 755 /run/bin/systemd-run")
        apply = ("firewall", "apply", "--role", "master", "--confirm-within", "300")
        node.run(sys.executable, "-S", "-E", str(dist / "nodeprep"), *apply)
        assert "NODEPREP-INPUT" in node.run("iptables-save")
        told = node.read("/run/armed").split("\0")[:-1]
        command = told[told.index("--") + 1 :]
        assert command[:3] == [sys.executable, str(dist / "nodeprep"), "firewall"]
        # As systemd does: from the root directory, with what --setenv says and nothing else.
        given = [word.removeprefix("--setenv=") for word in told if word.startswith("--setenv=")]
        node.run("env", "-i", "-C", "/", f"PATH={os.environ['PATH']}", *given, *command)
        assert node.rules(node.run("iptables-save")) == node.rules(before)
    finally:
        node.close()
