"""Kernel modules, now and at every boot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from preflight.facts.model import known
from preflight.fixes.ownfile import MODULES_FILE, own_rows
from preflight.fixes.registry import Context, fix
from preflight.fixes.steps import Note, Step, set_to


def load_modules(
    context: Context, names: Iterable[str], *, now: bool = True
) -> Iterator[Step | Note]:
    """Steps that list the modules for the boot and load them. ``now``: in the running kernel."""
    names = tuple(names)
    yield own_rows(MODULES_FILE, context.id, {name: name for name in names})
    if now:
        for name in names:
            yield set_to("module", name, "loaded", context.id)


@fix("kernel-modules")
def kernel_modules(context: Context) -> Iterator[Step | Note]:
    """Loads those that the kernel does not load by itself; what is absent or forbidden stays so."""
    kernel = known(context.facts.kernel)
    for name in context.subjects:
        module = kernel.module(name)
        free = not kernel.modules_disabled and not module.blocked_by
        if module.state == "loadable" and free:
            yield from load_modules(context, (name,))


@fix("persistent-modules")
def persistent_modules(context: Context) -> Iterator[Step | Note]:
    """Lists what is loaded now; what modprobe.d forbids was forbidden by a person."""
    kernel = known(context.facts.kernel)
    free = [
        name
        for name in context.subjects
        if not (kernel.module(name).blocked_by or kernel.module(name).denied_by)
    ]
    if free:
        yield from load_modules(context, free, now=False)
