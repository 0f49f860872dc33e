"""One run of `nodeprep ports`: configuration, policy, report."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from preflight.output import check_format
from rules.cluster import Role
from rules.errors import UsageError

if TYPE_CHECKING:
    from preflight.report.ports import Listing
    from preflight.settings import Settings

FORMATS = ("text", "json", "yaml", "markdown")


def run_ports(
    *,
    role: Role | None,
    config: str,
    kubeadm_config: str,
    kubernetes_version: str,
    cni: str,
    optional: bool,
    output: str,
) -> int:
    """Prints what a role needs, or without one the whole matrix; the exit code."""
    check_format(output, FORMATS)
    if role is None:
        if cni or kubernetes_version or config or kubeadm_config:
            raise UsageError(
                "--role is missing; without it, ports lists the whole matrix and takes no "
                "version, pod network or configuration"
            )
        return _print_matrix(output)
    from preflight import config as configuration
    from preflight.report import ports as report

    settings = configuration.load(
        config=config, kubeadm_config=kubeadm_config, kubernetes_version=kubernetes_version, cni=cni
    )
    configuration.print_warnings(settings)
    listed = _listed(role, settings, optional=optional)
    if output == "text":
        from preflight.report.formats import terminal_width

        sys.stdout.write(report.text(listed, width=terminal_width(sys.stdout)))
    elif output == "markdown":
        from preflight.report import portpages

        sys.stdout.write(portpages.markdown(listed))
    else:
        from preflight.report.document import render

        sys.stdout.write(render(report.document(listed), output))
    return 0


def _listed(role: Role, settings: Settings, *, optional: bool) -> Listing:
    from preflight.facts.installed import version_for
    from preflight.report.ports import Listing
    from rules.cnis import find
    from rules.policy import policy

    version, source = version_for(settings)
    cluster = settings.cluster
    profile, mode = find(cluster.cni)
    chosen = policy(role, cluster, version=version, proxy_disabled=settings.proxy_disabled)
    return Listing(chosen, version, source, profile, mode, chosen.optional if optional else ())


def _print_matrix(output: str) -> int:
    from preflight.report import portpages
    from preflight.report.document import render

    if output == "text":
        sys.stdout.write(portpages.matrix_text())
    elif output == "markdown":
        sys.stdout.write(portpages.matrix_markdown())
    else:
        sys.stdout.write(render(portpages.matrix_document(), output))
    return 0
