"""After a reboot: an own unit that loads the confirmed rules before the network comes up."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from rules.backend import Change, backend
from rules.backend.detect import runs, ufw_enabled
from rules.errors import CommandError
from rules.files import write_atomic
from rules.lifecycle.snapshot import Applied
from rules.run import boot_path, run
from rules.state import StateError, Store

UNIT = "nodeprep-firewall.service"
UNIT_DIRECTORY = "/etc/systemd/system"
WANTED_BY = "sysinit.target"
BOOT = "boot"
SCRIPT = "restore.sh"
# What the lines of the script run, by whichever of them a backend needs.
_PROGRAMS = ("nft", "ipset", "iptables", "ip6tables")
_RELOAD_TIMEOUT_S = 30.0


def systemd_runs() -> bool:
    """Whether systemd is this machine's init (sd_booted(3)), and this its own network."""
    if not os.path.isdir("/run/systemd/system"):
        return False
    try:
        ours, its = os.stat("/proc/self/ns/net"), os.stat("/proc/1/ns/net")
    except OSError:
        return True
    return (ours.st_dev, ours.st_ino) == (its.st_dev, its.st_ino)


def unit_text(store: Store) -> str:
    """The unit, which is the same for every backend and policy."""
    from rules.render.templating import fill

    return fill(
        "firewall/nodeprep-firewall.service.j2",
        script=quoted(str(store.path / BOOT / SCRIPT)),
        directory=quoted(str(store.root)),
    )


def quoted(path: str) -> str:
    """One word of a unit file: % and $ have a meaning there, and so have quotes and blanks."""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        path = path.replace(character, escaped)
    return f'"{path}"'


def boot_files(store: Store, applied: Applied) -> dict[str, str]:
    """The files of the directory ``boot``; none where the owner itself keeps the rules."""
    owner = backend(applied.backend)
    if owner.restores_at_boot:
        return {}
    directory = shlex.quote(str(store.path / BOOT))
    files, lines = owner.boot_lines(applied.texts, directory)
    script = [
        "#!/bin/sh",
        "# Loads nodeprep's own rules as they were last confirmed, and nothing else.",
        "set -e",
        f"PATH={shlex.quote(boot_path(_PROGRAMS))}",
        *lines,
    ]
    return {**files, SCRIPT: "".join(f"{line}\n" for line in script)}


def persistence_changes(store: Store, applied: Applied | None) -> tuple[Change, ...]:
    """What ``persist`` would change: the files for the boot as one object, the unit, its link."""
    files = _file_changes(store, applied)
    boot = [change for change in files if Path(change.object).parent == store.path / BOOT]
    found = [change for change in files if change not in boot]
    if boot:
        found.insert(
            0,
            Change(
                str(store.path / BOOT),
                _joined([(change.object, change.before) for change in boot]),
                _joined([(change.object, change.after) for change in boot]),
            ),
        )
    return tuple(found)


def _joined(texts: list[tuple[str, str | None]]) -> str | None:
    parts = [f"==> {Path(path).name} <==\n{text}" for path, text in texts if text is not None]
    return "".join(parts) or None


def _file_changes(store: Store, applied: Applied | None) -> tuple[Change, ...]:
    files = boot_files(store, applied) if applied else {}
    wanted: dict[str, str | None] = {str(store.path / BOOT / n): t for n, t in files.items()}
    for path in _present(store):
        wanted.setdefault(str(path), None)
    unit = Path(UNIT_DIRECTORY) / UNIT
    if systemd_runs() or _text(unit) is not None:
        wanted[str(unit)] = unit_text(store) if files else None
        wanted[str(_link())] = str(unit) if files else None
    return tuple(
        Change(path, before, after)
        for path, after in wanted.items()
        if (before := _text(Path(path))) != after
    )


def persist(store: Store, applied: Applied | None) -> bool:
    """Makes the next boot load ``applied`` (None: nothing of ours); whether anything changed.
    Raises StateError where a file cannot be written, or systemd does not read it."""
    changes = _file_changes(store, applied)
    unit = str(Path(UNIT_DIRECTORY) / UNIT)
    try:
        # Of a run that was killed while it wrote the unit; whoever is here holds the lock.
        for left in Path(UNIT_DIRECTORY).glob(f".{UNIT}.*.tmp"):
            left.unlink(missing_ok=True)
        for change in changes:
            path = Path(change.object)
            if change.after is None:
                path.unlink(missing_ok=True)
            elif path == _link():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                path.symlink_to(change.after)
            elif change.object == unit:
                write_atomic(path, change.after, mode=0o644)
            else:
                store.write_text(f"{BOOT}/{path.name}", change.after)
    except OSError as error:
        raise StateError(f"{error.filename}: cannot be written: {error.strerror}") from None
    if any(change.object == unit for change in changes) and systemd_runs():
        try:
            run(["systemctl", "daemon-reload"], timeout_s=_RELOAD_TIMEOUT_S)
        except CommandError as error:
            raise StateError(f"the unit is written, and systemd did not read it: {error}") from None
    return bool(changes)


def is_persistent(store: Store, applied: Applied) -> bool:
    """Whether the next boot brings these rules."""
    owner = backend(applied.backend)
    if owner.restores_at_boot:
        live, wanted = owner.read(), owner.preview(applied.texts)
        files = [name for name in wanted if name.startswith("/")]
        return _is_on(applied.backend) and all(live.get(name) == wanted[name] for name in files)
    return os.path.lexists(_link()) and not _file_changes(store, applied)


def _is_on(name: str) -> bool:
    """Whether who keeps the rules will be there to load them."""
    return ufw_enabled(Path("/")) if name == "ufw" else runs("firewalld")


def _link() -> Path:
    return Path(UNIT_DIRECTORY) / f"{WANTED_BY}.wants" / UNIT


def _present(store: Store) -> list[Path]:
    directory = store.path / BOOT
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _text(path: Path) -> str | None:
    try:
        if path.is_symlink():
            return os.readlink(path)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror}") from None
