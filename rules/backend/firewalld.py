"""firewalld: files of ours below /etc/firewalld, put in force by its own reload.

Zones and what others wrote are left alone: what is ours are the ipsets, services and policies
whose names begin with ``nodeprep-``. firewalld keeps them over reloads and reboots. Another part
of nodeprep has another ``prefix``, and leaves these alone in the same way.
"""

from __future__ import annotations

from pathlib import Path

from rules.backend import LOAD_TIMEOUT_S, READ_TIMEOUT_S, BackendError, Own, Texts
from rules.backend.detect import runs
from rules.errors import CommandError
from rules.files import write_atomic
from rules.render import Artefact
from rules.run import Running, find_program, run

DIRECTORY = "/etc/firewalld"
KINDS = ("ipsets", "services", "policies", "zones")
PREFIX = "nodeprep-"
RUNTIME = "firewalld's runtime"
_IN_FORCE = "as in the files\n"
# firewall-cmd's exit codes NOT_RUNNING and DBUS_ERROR (firewall/errors.py).
_NOT_RUNNING = (252, 36)
# What firewalld keeps over a reload by itself, or prints of the runtime only.
_KEPT = ("interfaces:", "icmp-block-inversion:")


class Firewalld:
    """Through `firewall-cmd`, which takes 0.2 to 0.3 s a call."""

    name = "firewalld"
    targets: tuple[str, ...] = ("firewalld",)
    restores_at_boot = True

    def __init__(self, directory: str = DIRECTORY, prefix: str = PREFIX) -> None:
        self._directory = Path(directory)
        self._prefix = prefix

    def fit(self, artefact: Artefact, *, enforce: bool) -> Artefact:
        """Without what this firewalld has no words for."""
        from rules.render.firewalld import for_version

        said = run(["firewall-cmd", "--version"], timeout_s=READ_TIMEOUT_S).stdout.strip()
        numbers = tuple(int(word) for word in said.split(".") if word.isdigit())
        return for_version(artefact, numbers, enforce=enforce)

    def read(self) -> Own:
        """Our files, and whether what is in force is what they say. Raises CommandError where
        firewalld does not tell."""
        if find_program("firewall-cmd") is None:
            raise CommandError("absent", "firewall-cmd is not installed")
        own = {
            str(path): path.read_text(encoding="utf-8", errors="replace")
            for kind in KINDS
            for path in sorted((self._directory / kind).glob(f"{self._prefix}*.xml"))
        }
        if not own and not runs("firewalld"):
            return own
        runtime, permanent = _policies(self._prefix)
        if runtime is not None and (runtime or permanent or own):
            own[RUNTIME] = _IN_FORCE if runtime == permanent else runtime
        return own

    def holds(self, digest: str) -> bool:
        """Read from the rules."""
        return any(digest in text for text in self.read().values())

    def preview(self, texts: Texts) -> Own:
        """The files, and that they are in force."""
        own = {str(self._directory / name): text for name, text in texts["firewalld"].items()}
        return {**own, RUNTIME: _IN_FORCE}

    def canonical(self, texts: Texts) -> Own | None:
        """The same: files are what they are."""
        return self.preview(texts)

    def obstacle(self) -> str:
        """What a reload would take from others."""
        runtime, permanent = _pair("--list-all-zones")
        if runtime is None:
            return "firewalld does not run"
        lost = sorted(set(_settings(runtime)) - set(_settings(permanent)))
        if not lost:
            return ""
        return (
            f"firewalld holds settings that its reload would lose ({', '.join(lost[:3])}); keep "
            "them with: firewall-cmd --runtime-to-permanent"
        )

    def load(self, texts: Texts, live: Own) -> None:
        """Writes the files, lets firewalld check them, and reloads. Raises BackendError where
        firewalld refuses."""
        try:
            self._write(self.preview(texts))
            run(["firewall-cmd", "--check-config"], timeout_s=LOAD_TIMEOUT_S)
            _reload()
        except (CommandError, OSError) as error:
            self.restore(live)
            raise BackendError(f"firewalld did not take the rules: {error}") from error

    def restore(self, own: Own) -> None:
        """Makes our files be ``own``, and reloads where firewalld runs. Raises BackendError where
        firewalld refuses."""
        try:
            if self._write(own) or self.read().get(RUNTIME, _IN_FORCE) != _IN_FORCE:
                _reload(needed=False)
        except (CommandError, OSError) as error:
            raise BackendError(f"firewalld did not take the old rules: {error}") from error

    def boot_lines(self, texts: Texts, directory: str) -> tuple[dict[str, str], tuple[str, ...]]:
        """None: firewalld reads its own files."""
        return {}, ()

    def _write(self, own: Own) -> bool:
        changed = False
        for kind in KINDS:
            for path in (self._directory / kind).glob(f"{self._prefix}*.xml"):
                if str(path) not in own:
                    path.unlink()
                    changed = True
        for name, text in own.items():
            path = Path(name)
            if name == RUNTIME or (path.is_file() and path.read_text(encoding="utf-8") == text):
                continue
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_atomic(path, text, mode=0o644)
            changed = True
        return changed


def _reload(*, needed: bool = True) -> None:
    ok = (0,) if needed else (0, *_NOT_RUNNING)
    run(["firewall-cmd", "--reload"], timeout_s=LOAD_TIMEOUT_S, ok=ok)


def _pair(option: str) -> tuple[str | None, str]:
    """What firewall-cmd prints of the runtime (None: firewalld does not run) and the files."""
    runtime = Running(["firewall-cmd", option])
    permanent = Running(["firewall-cmd", "--permanent", option])
    ok = (0, *_NOT_RUNNING)
    now = runtime.result(timeout_s=READ_TIMEOUT_S, ok=ok)
    kept = permanent.result(timeout_s=READ_TIMEOUT_S, ok=ok)
    return (None if now.returncode in _NOT_RUNNING else now.stdout), kept.stdout


def _policies(prefix: str) -> tuple[str | None, str]:
    runtime, permanent = _pair("--list-all-policies")
    return (None if runtime is None else _ours(runtime, prefix)), _ours(permanent, prefix)


def _ours(text: str, prefix: str) -> str:
    """The blocks of our policies, without the mark of those that are active."""
    kept = []
    for block in text.split("\n\n"):
        lines = block.strip("\n").splitlines()
        if lines and lines[0].startswith(prefix):
            kept.append("\n".join([lines[0].split(" ")[0], *sorted(lines[1:])]) + "\n")
    return "".join(sorted(kept))


def _settings(text: str | None) -> list[str]:
    """``zone: setting`` for each thing that a zone has."""
    found, zone = [], ""
    for line in (text or "").splitlines():
        if line and not line.startswith((" ", "\t")):
            zone = line.split(" ")[0]
        words = line.strip().split(" ")
        if words[0] in _KEPT or not words[0].endswith(":"):
            if line.startswith("\t"):
                found.append(f"{zone}: {line.strip()}")  # a rich rule
            continue
        found += [f"{zone}: {words[0]} {word}" for word in words[1:] if word]
    return found
