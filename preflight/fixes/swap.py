"""Swap: off now, and off after the next boot."""

from __future__ import annotations

import os
from collections.abc import Iterator

from preflight.facts.model import known
from preflight.facts.model.kernel import Setting
from preflight.facts.swap import parse_fstab, unit_name, zram_section
from preflight.fixes.edits import comment_out
from preflight.fixes.registry import Context, fix
from preflight.fixes.steps import (
    DAEMON_RELOAD,
    Note,
    Step,
    edit_file,
    mask_unit,
    set_to,
)

FSTAB = "/etc/fstab"


@fix("swap-off")
def swap_off(context: Context) -> Iterator[Step | Note]:
    """swapoff of each area. Not where it is tolerated and only its behaviour is wrong."""
    if any(finding.expected == "none" for finding in context.findings):
        for area in known(known(context.facts.kernel).swaps):
            yield set_to("swap", area.path, None, context.id)


@fix("persistent-swap")
def persistent_swap(context: Context) -> Iterator[Step | Note]:
    """fstab, units, generators and services that turn swap on."""
    boot = known(known(context.facts.kernel).boot_swap)
    systemd = known(context.facts.kernel).boot_applier == "systemd"
    if any(each.path == FSTAB for each in boot):
        yield _fstab(context, reload=systemd)
    for setting in boot:
        if setting.value == "swap unit":
            yield mask_unit(os.path.basename(setting.path), context.id)
        elif setting.value == "service":
            yield mask_unit(setting.key, context.id)
            yield set_to("unit-active", setting.key, None, context.id)
        elif setting.value == "zram":
            yield from _zram(context, setting)


def _fstab(context: Context, *, reload: bool) -> Step:
    def edit(text: str | None) -> str | None:
        if text is None:
            return None
        return comment_out(text, lambda line: bool(parse_fstab(FSTAB, line)), context.id)

    return edit_file(FSTAB, edit, context.id, effects=(DAEMON_RELOAD,) if reload else ())


def _zram(context: Context, setting: Setting) -> Iterator[Step | Note]:
    """The unit masked, which is enough; in a file of the administrator's the device goes too.

    Devices that hold a file system stay as they are.
    """
    yield mask_unit(unit_name(setting.key), context.id)
    if setting.path.startswith("/etc/"):
        device = os.path.basename(setting.key)
        yield edit_file(
            setting.path,
            lambda text: None if text is None else _without_device(text, device, context.id),
            context.id,
        )


def _without_device(text: str, device: str, check: str) -> str:
    section: str | None = None

    def is_of_it(line: str) -> bool:
        nonlocal section
        if (name := zram_section(line)) is not None:
            section = name
        blank = not line.strip() or line.lstrip().startswith(("#", ";"))
        return section == device and not blank

    return comment_out(text, is_of_it, check)
