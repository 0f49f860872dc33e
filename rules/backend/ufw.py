"""ufw: a block of ours in its own files, put in force by its own reload, kept by it at boot."""

from __future__ import annotations

import contextlib
import re
import stat
from pathlib import Path

from rules.backend import LOAD_TIMEOUT_S, READ_TIMEOUT_S, BackendError, Own, Texts
from rules.backend.iptables import families, flavour_of, program
from rules.backend.memory import memory_files
from rules.backend.scratch import in_scratch
from rules.errors import CommandError, ConfigError
from rules.files import write_atomic
from rules.render import Artefact
from rules.render.ufw import (
    INIT_FILE,
    IPSET_FILE,
    POLICY_MARK,
    PROFILE_FILE,
    RULES_FILES,
    Mark,
    put,
)
from rules.run import find_program, run

DIRECTORY = "/etc/ufw"
BLOCKS = (*RULES_FILES.values(), INIT_FILE)
WHOLE = (IPSET_FILE, PROFILE_FILE)
DEFAULTS = "/etc/default/ufw"
IN_FORCE = "ufw rules in force"
# ufw runs before.init only where it may be executed.
_RUNNABLE = "# executable\n"


class Ufw:
    """Through its files and `ufw reload`, which takes about 0.5 s."""

    name = "ufw"
    targets: tuple[str, ...] = ("ufw",)
    restores_at_boot = True

    def __init__(self, directory: str = DIRECTORY, mark: Mark = POLICY_MARK) -> None:
        self._directory = Path(directory)
        self._mark = mark
        # Another part of nodeprep has rules, and nothing beside them.
        self._whole = WHOLE if mark == POLICY_MARK else ()

    def fit(self, artefact: Artefact, *, enforce: bool) -> Artefact:
        """As it is."""
        return artefact

    def obstacle(self) -> str:
        """Nothing: a reload keeps what others told ufw."""
        return ""

    def read(self) -> Own:
        """Our blocks and files, and our rules in ufw's chains. Raises CommandError where ufw is not
        installed."""
        if find_program("ufw") is None:
            raise CommandError("absent", "ufw is not installed")
        own: Own = {}
        for name in BLOCKS:
            path = self._directory / name
            if block := self._block_of(_text(path)):
                runnable = name == INIT_FILE and path.stat().st_mode & stat.S_IXUSR
                own[str(path)] = (_RUNNABLE if runnable else "") + block
        for name in self._whole:
            if text := _text(self._directory / name):
                own[str(self._directory / name)] = text
        if rules := self._in_force():
            own[IN_FORCE] = rules
        return own

    def holds(self, digest: str) -> bool:
        """Read from the rules."""
        return any(digest in text for text in self.read().values())

    def preview(self, texts: Texts) -> Own:
        """The blocks and files."""
        own: Own = {}
        for name, text in texts["ufw"].items():
            mark = _RUNNABLE if name == INIT_FILE else ""
            own[str(self._directory / name)] = mark + (
                self._block_of(text) if name in BLOCKS else text
            )
        return own

    def canonical(self, texts: Texts) -> Own | None:
        """The same, and the blocks' rules as iptables prints them in a scratch namespace."""
        commands: list[tuple[str, ...]] = []
        flavour = flavour_of()
        with memory_files() as files:
            if IPSET_FILE in texts["ufw"]:
                path = files.add(texts["ufw"][IPSET_FILE])
                commands.append(("ipset", "restore", "-file", path))
            for family in families():
                lines = _rules(texts["ufw"].get(RULES_FILES[family], ""))
                chains = dict.fromkeys(line.split(" ")[1] for line in lines)
                head = [f":{chain} - [0:0]" for chain in chains]
                text = "".join(f"{line}\n" for line in ("*filter", *head, *lines, "COMMIT"))
                commands += [
                    (program(flavour, family, "restore"), "--noflush", files.add(text)),
                    (program(flavour, family, "save"), "-t", "filter"),
                ]
            printed = in_scratch(commands, files)
        if printed is None:
            return None
        return {**self.preview(texts), IN_FORCE: self._tagged(printed)}

    def load(self, texts: Texts, live: Own) -> None:
        """Writes blocks and files, and reloads. Raises BackendError where ufw refuses."""
        try:
            if "inactive" in run(["ufw", "status"], timeout_s=READ_TIMEOUT_S).stdout:
                raise BackendError("ufw is not enabled; run: ufw enable")
            self._write(self.preview(texts))
            _reload()
        except (CommandError, ConfigError, OSError) as error:
            self.restore(live)
            raise BackendError(f"ufw did not take the rules: {error}") from error

    def restore(self, own: Own) -> None:
        """Makes our blocks and files be ``own``, and reloads. Raises BackendError where ufw
        refuses."""
        try:
            if self._write(own) or self._in_force() != own.get(IN_FORCE, ""):
                _reload()
            if self._whole and str(self._directory / IPSET_FILE) not in own:
                _destroy_sets()
        except (CommandError, ConfigError, OSError) as error:
            raise BackendError(f"ufw did not take the old rules: {error}") from error

    def boot_lines(self, texts: Texts, directory: str) -> tuple[dict[str, str], tuple[str, ...]]:
        """None: ufw loads its own files."""
        return {}, ()

    def _write(self, own: Own) -> bool:
        changed = False
        for name in BLOCKS:
            path = self._directory / name
            block = own.get(str(path), "")
            old = _text(path)
            if not old and not block:
                continue
            new = put(old, block.removeprefix(_RUNNABLE), source=str(path), mark=self._mark)
            mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o640
            wanted = mode
            if name == INIT_FILE and bool(self._block_of(old)) != bool(block):
                # Executable for as long as our block is in it; it is not by default.
                wanted = mode | 0o100 if block else mode & ~0o111
            if (new, wanted) != (old, mode):
                write_atomic(path, new, mode=wanted)
                changed = True
        for name in self._whole:
            path = self._directory / name
            text = own.get(str(path), "")
            if text == _text(path):
                continue
            changed = True
            if text:
                write_atomic(path, text, mode=0o644)
            else:
                path.unlink()
        return changed

    def _block_of(self, text: str) -> str:
        start, end = text.find(self._mark.begin), text.find(self._mark.end)
        return f"{text[start:end]}{self._mark.end}\n" if 0 <= start < end else ""

    def _in_force(self) -> str:
        flavour = flavour_of()
        saved = (
            run([program(flavour, family, "save"), "-t", "filter"], timeout_s=READ_TIMEOUT_S)
            for family in families()
        )
        return "".join(self._tagged(done.stdout) for done in saved)

    def _tagged(self, saved: str) -> str:
        """Our rules in ufw's chains, chain by chain."""
        comment = re.compile(rf'--comment "?{re.escape(self._mark.tag)}')
        lines = [
            line
            for line in saved.splitlines()
            if line.startswith("-A ufw") and comment.search(line)
        ]
        return "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line.split(" ")[1]))


def ufw_families(defaults: str = DEFAULTS) -> tuple[int, ...]:
    """The families whose rules ufw makes; with ``IPV6=no`` it drops all of IPv6."""
    found = re.findall(r"^IPV6=[\"']?(\w+)", _text(Path(defaults)), re.MULTILINE)
    return families() if found[-1:] != ["no"] else (4,)


def _text(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    return ""


def _rules(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.startswith("-A ")]


def _reload() -> None:
    said = run(["ufw", "reload"], timeout_s=LOAD_TIMEOUT_S).stdout
    if "ERROR" in said:
        raise CommandError("failed", f"ufw reload: {said.strip().splitlines()[0]}")


def _destroy_sets() -> None:
    from rules.backend.iptables import destroy_sets

    destroy_sets()
