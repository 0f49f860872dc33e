"""Services that must run, or start with the machine."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.clock import CHRONY
from preflight.checks.packages import package_manager
from preflight.facts.model import known
from preflight.fixes.registry import Context, fix
from preflight.fixes.steps import Note, Step, enable_unit, set_to
from preflight.packages import MANAGERS


@fix("kubelet-service")
def kubelet_service(context: Context) -> Iterator[Step | Note]:
    """kubelet.service starts with the machine, where there is one."""
    kubelet = known(known(context.facts.runtime).kubelet)
    if kubelet is not None and kubelet.unit != "not-found":
        yield enable_unit("kubelet.service", context.id)


@fix("time-synchronised")
def time_synchronised(context: Context) -> Iterator[Step | Note]:
    """Starts the time service that is installed; one that runs and has no source needs a person."""
    clock = known(known(context.facts.network).time_sync)
    if clock.source != "kernel":
        return
    if not clock.installed:
        manager = package_manager(context.facts)
        if context.options.install_packages and manager in MANAGERS:
            yield set_to("package", f"{manager}:{CHRONY[manager]}", "installed", context.id)
        return
    unit = clock.installed[0]
    yield enable_unit(unit, context.id)
    yield set_to("unit-active", unit, "active", context.id)
    yield Note(f"{unit} takes some seconds, and UDP port 123 out, to find the time")
