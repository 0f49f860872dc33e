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
from rules.render.ufw import BEGIN, END, INIT_FILE, IPSET_FILE, PROFILE_FILE, RULES_FILES, put
from rules.run import find_program, run

DIRECTORY = "/etc/ufw"
BLOCKS = (*RULES_FILES.values(), INIT_FILE)
WHOLE = (IPSET_FILE, PROFILE_FILE)
IN_FORCE = "ufw rules in force"
_TAGGED = re.compile(r'--comment "?nodeprep:')
# ufw runs before.init only where it may be executed.
_RUNNABLE = "# executable\n"


class Ufw:
    """Through its files and `ufw reload`, which takes about 0.5 s."""

    name = "ufw"
    targets: tuple[str, ...] = ("ufw",)
    restores_at_boot = True

    def __init__(self, directory: str = DIRECTORY) -> None:
        self._directory = Path(directory)

    def fit(self, artefact: Artefact, *, enforce: bool) -> Artefact:
        """As it is."""
        return artefact

    def obstacle(self) -> str:
        """Nothing: a reload keeps what others told ufw."""
        return ""

    def read(self) -> Own:
        """Our blocks and files, and our rules in ufw's chains."""
        if find_program("ufw") is None:
            raise CommandError("absent", "ufw is not installed")
        own: Own = {}
        for name in BLOCKS:
            path = self._directory / name
            if block := _block_of(_text(path)):
                runnable = name == INIT_FILE and path.stat().st_mode & stat.S_IXUSR
                own[str(path)] = (_RUNNABLE if runnable else "") + block
        for name in WHOLE:
            if text := _text(self._directory / name):
                own[str(self._directory / name)] = text
        if rules := _in_force():
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
            own[str(self._directory / name)] = mark + (_block_of(text) if name in BLOCKS else text)
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
                lines = _rules(texts["ufw"][RULES_FILES[family]])
                chains = dict.fromkeys(line.split(" ")[1] for line in lines)
                head = [f":{chain} - [0:0]" for chain in chains]
                text = "".join(f"{line}\n" for line in ("*filter", *head, *lines, "COMMIT"))
                commands += [
                    (program(flavour, family, "restore"), "--noflush", files.add(text)),
                    (program(flavour, family, "save"), "-t", "filter"),
                ]
            printed = in_scratch(commands, files)
        return None if printed is None else {**self.preview(texts), IN_FORCE: _tagged(printed)}

    def load(self, texts: Texts, live: Own) -> None:
        """Writes blocks and files, and reloads."""
        try:
            if "inactive" in run(["ufw", "status"], timeout_s=READ_TIMEOUT_S).stdout:
                raise BackendError("ufw is not enabled; run: ufw enable")
            self._write(self.preview(texts))
            _reload()
        except (CommandError, ConfigError, OSError) as error:
            self.restore(live)
            raise BackendError(f"ufw did not take the rules: {error}") from error

    def restore(self, own: Own) -> None:
        """Makes our blocks and files be ``own``, and reloads."""
        try:
            if self._write(own) or _in_force() != own.get(IN_FORCE, ""):
                _reload()
            if str(self._directory / IPSET_FILE) not in own:
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
            new = put(old, block.removeprefix(_RUNNABLE), source=str(path))
            mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o640
            wanted = mode
            if name == INIT_FILE and bool(_block_of(old)) != bool(block):
                # Executable for as long as our block is in it; it is not by default.
                wanted = mode | 0o100 if block else mode & ~0o111
            if (new, wanted) != (old, mode):
                write_atomic(path, new, mode=wanted)
                changed = True
        for name in WHOLE:
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


def _text(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    return ""


def _block_of(text: str) -> str:
    start, end = text.find(BEGIN), text.find(END)
    return f"{text[start:end]}{END}\n" if 0 <= start < end else ""


def _rules(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.startswith("-A ")]


def _in_force() -> str:
    flavour = flavour_of()
    return "".join(
        _tagged(run([program(flavour, f, "save"), "-t", "filter"], timeout_s=READ_TIMEOUT_S).stdout)
        for f in families()
    )


def _tagged(saved: str) -> str:
    """Our rules in ufw's chains, chain by chain."""
    lines = [
        line for line in saved.splitlines() if line.startswith("-A ufw") and _TAGGED.search(line)
    ]
    return "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line.split(" ")[1]))


def _reload() -> None:
    said = run(["ufw", "reload"], timeout_s=LOAD_TIMEOUT_S).stdout
    if "ERROR" in said:
        raise CommandError("failed", f"ufw reload: {said.strip().splitlines()[0]}")


def _destroy_sets() -> None:
    from rules.backend.iptables import destroy_sets

    destroy_sets()
