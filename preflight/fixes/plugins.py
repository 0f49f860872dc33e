"""Plugins of the pod network that the runtime does not find."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.cniplugins import plugin_packages
from preflight.checks.cnireader import reader
from preflight.checks.packages import package_manager
from preflight.cni.schema import REFERENCE
from preflight.fixes.registry import Context, fix
from preflight.fixes.steps import Note, Step, put_link, set_to
from preflight.packages import MANAGERS


@fix("cni-plugins-present")
def cni_plugins_present(context: Context) -> Iterator[Step | Note]:
    """A link where the plugin is elsewhere; its package, only with --install-packages."""
    manager = package_manager(context.facts)
    packages = plugin_packages(reader(context.facts, context.target))
    for finding in context.findings:
        if finding.observed.startswith("/") and finding.expected.startswith("/"):
            yield put_link(finding.expected, finding.observed, context.id)
        elif finding.observed == "absent" and context.options.install_packages:
            # What a product's own pods bring is in no package.
            known = all(kind in REFERENCE for kind in finding.subject.split(","))
            if known and manager in MANAGERS and manager in packages:
                name = f"{manager}:{packages[manager]}"
                yield set_to("package", name, "installed", context.id)
