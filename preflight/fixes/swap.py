"""Swap: off now, and off after the next boot."""

from __future__ import annotations

import os
from collections.abc import Iterator

from preflight.facts.model import known
from preflight.facts.model.kernel import Setting
from preflight.facts.swap import parse_fstab, unit_name
from preflight.fixes.edits import comment_out
from preflight.fixes.ownfile import own_file
from preflight.fixes.registry import Context, fix
from preflight.fixes.steps import (
    DAEMON_RELOAD,
    Note,
    Step,
    edit_file,
    mask_unit,
    put_link,
    set_to,
)

FSTAB = "/etc/fstab"
_ZRAM = "/etc/systemd/zram-generator.conf"


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
    """The generator's file of that place without a device; a drop-in is hidden by its name."""
    yield mask_unit(unit_name(setting.key), context.id)
    if os.path.dirname(setting.path).endswith(".d"):
        hidden = f"/etc/systemd/zram-generator.conf.d/{os.path.basename(setting.path)}"
        yield put_link(hidden, "/dev/null", context.id, effects=(DAEMON_RELOAD,))
    elif setting.path == _ZRAM:
        yield edit_file(_ZRAM, lambda text: _without_devices(text, context.id), context.id)
    else:
        yield own_file(_ZRAM, "zram-generator.conf.j2", context.id, effects=(DAEMON_RELOAD,))


def _without_devices(text: str | None, check: str) -> str | None:
    def is_setting(line: str) -> bool:
        return bool(line.strip()) and not line.lstrip().startswith(("#", ";"))

    return None if text is None else comment_out(text, is_setting, check)
