"""Packages of the distribution, only with --install-packages."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.packages import package_manager
from preflight.fixes.registry import Context, fix
from preflight.fixes.steps import Note, Step, set_to
from preflight.packages import MANAGERS
from preflight.versions.kubeadm import programs


@fix("executable")
def executable(context: Context) -> Iterator[Step | Note]:
    """The package of each missing program. Without --install-packages nothing."""
    manager = package_manager(context.facts)
    if not context.options.install_packages or manager not in MANAGERS:
        return
    known_programs = programs(context.target.version)
    for finding in context.findings:
        program = known_programs.get(finding.subject)
        package = program.packages.get(manager) if program and not finding.observed else None
        if package:
            yield set_to("package", f"{manager}:{package}", "installed", context.id)
