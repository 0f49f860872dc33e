"""`nodeprep cloud render`."""

from __future__ import annotations

import typer

from preflight.cli.cloudoptions import (
    AccountOption,
    AllowWideningOption,
    ByAddressOption,
    CloudArgument,
    FormatOption,
    LeaveOutOption,
    LocationOption,
    NameOption,
    NetworkOption,
    PeerOption,
    QuotaOption,
    RolesOption,
    ScopeOption,
    TagOption,
)
from preflight.cli.firewalloptions import OutputOption
from preflight.cli.options import (
    CniOption,
    ConfigOption,
    KubeadmConfigOption,
    SourceOption,
    VersionOption,
)


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cloud``."""
    app.command("render")(render)


def render(
    cloud: CloudArgument,
    role: RolesOption = "all",
    form: FormatOption = "",
    name: NameOption = "nodeprep",
    network: NetworkOption = "",
    scope: ScopeOption = "",
    location: LocationOption = "",
    tag: TagOption = None,
    quota: QuotaOption = None,
    service_account: AccountOption = None,
    peer: PeerOption = None,
    allow_widening: AllowWideningOption = None,
    leave_out: LeaveOutOption = None,
    by_address: ByAddressOption = False,
    source: SourceOption = None,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    kubernetes_version: VersionOption = "",
    cni: CniOption = "",
    output: OutputOption = "text",
) -> int:
    """Print a cluster's rules as a cloud takes them, one document for all roles.

    Changes nothing and asks no cloud. What the document costs of which quota goes to stderr.
    """
    from preflight.runs.cloud_policy import CloudRequest
    from preflight.runs.cloud_render import run_render

    request = CloudRequest(
        cloud=cloud,
        roles=role,
        name=name,
        network=network,
        scope=scope,
        location=location,
        tags=tuple(tag or ()),
        quotas=tuple(quota or ()),
        accounts=tuple(service_account or ()),
        peers=tuple(peer or ()),
        allow_widening=tuple(allow_widening or ()),
        leave_out=tuple(leave_out or ()),
        by_address=by_address,
        sources=tuple(source or ()),
        config=config,
        kubeadm_config=kubeadm_config,
        kubernetes_version=kubernetes_version,
        cni=cni,
    )
    return run_render(request, form=form, output=output)
