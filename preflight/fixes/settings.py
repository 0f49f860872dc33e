"""A kernel setting now and at every boot: the last file of sysctl.d wins, which is ours. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from preflight.checks.boot import SET_WITH, boot_setting
from preflight.facts.bootfiles import CMDLINE
from preflight.facts.model import Unknown, known_or
from preflight.facts.model.kernel import Setting
from preflight.fixes.edits import comment_out
from preflight.fixes.ownfile import SYSCTL_FILE, own_rows
from preflight.fixes.registry import Context
from preflight.fixes.steps import Note, Step, edit_file, set_sysctl

# Not read in the order of names: systemd-sysctl's files come first.
_LATE_FILES = ("/etc/ufw/sysctl.conf", "/etc/sysctl.conf")


def settings(
    context: Context, wanted: dict[str, str], *, now: bool = True
) -> Iterator[Step | Note]:
    """Steps that give each key its value. ``now``: in the running kernel too.

    Names what loses, and takes out of the way what would win.
    """
    yield own_rows(
        SYSCTL_FILE, context.id, {key: f"{key} = {value}" for key, value in wanted.items()}
    )
    for key, value in wanted.items():
        for setting in _contrary(context, key, value):
            yield _answer(context, setting, key, value)
        if now:
            yield set_sysctl(key, value, context.id)


def at_least(context: Context, key: str, minimum: int) -> str:
    """``minimum``, or what somebody else has the boot set where that is more: ours is read last."""
    found = boot_setting(_foreign(context), key)
    more = found is not None and found.value.isascii() and found.value.isdecimal()
    return str(max(minimum, int(found.value))) if found and more else str(minimum)


def _foreign(context: Context) -> tuple[Setting, ...]:
    """The lines of all files but ours, in the order in which they are read."""
    kernel = context.facts.kernel
    lines = () if isinstance(kernel, Unknown) else known_or(kernel.sysctl_files, ())
    return tuple(line for line in lines if line.path != SYSCTL_FILE)


def _contrary(context: Context, key: str, value: str) -> Iterable[Setting]:
    """The lines of other files that say something else about the key, or about one that sets it
    too: one of each key for each file. ``-key`` alone takes out what an earlier file says."""
    names = (key, *SET_WITH.get(key, ()))
    return {
        (line.path, line.key): line
        for line in _foreign(context)
        if line.key.removeprefix("-") in names and line.value != value
    }.values()


def _wins(path: str) -> bool:
    """Whether the file is read after ours; the kernel's command line is read before all."""
    if path == CMDLINE:
        return False
    return path in _LATE_FILES or os.path.basename(path) > os.path.basename(SYSCTL_FILE)


def _answer(context: Context, setting: Setting, key: str, value: str) -> Step | Note:
    path = setting.path
    what = f"sets {setting.key} to {setting.value}"
    said = f"{path} {f'takes {setting.key[1:]} out' if setting.key[0] == '-' else what}"
    if not _wins(path):
        return Note(f"{said} and loses to {SYSCTL_FILE}")
    if not path.startswith("/etc/"):
        return Note(f"{said} and wins over {SYSCTL_FILE}: hide it by a file of its name in /etc")

    def edit(text: str | None) -> str | None:
        from preflight.facts.bootfiles import parse_sysctl

        def is_contrary(line: str) -> bool:
            found = parse_sysctl(path, line)
            return any(each.key == setting.key and each.value != value for each in found)

        return None if text is None else comment_out(text, is_contrary, context.id)

    return edit_file(path, edit, context.id)
