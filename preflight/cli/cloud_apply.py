"""`nodeprep cloud apply`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.cloudoptions import (
    AllowWideningOption,
    ByAddressOption,
    EndpointOption,
    LeaveOutOption,
    NameOption,
    PeerOption,
    ProfileOption,
    QuotaOption,
    RegionOption,
    RolesOption,
    TagOption,
    TimeoutOption,
)
from preflight.cli.firewalloptions import DryRunOption, OutputOption
from preflight.cli.options import (
    CniOption,
    ConfigOption,
    KubeadmConfigOption,
    SourceOption,
    VersionOption,
)


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cloud``."""
    app.command("apply")(apply)


def apply(
    cloud: Annotated[str, typer.Argument(metavar="CLOUD", help="aws.")],
    network: Annotated[
        str, typer.Option("--network", metavar="ID", help="The VPC of the groups; required.")
    ] = "",
    dry_run: DryRunOption = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show before and after, as the cloud's API writes them.")
    ] = False,
    role: RolesOption = "all",
    name: NameOption = "nodeprep",
    tag: TagOption = None,
    quota: QuotaOption = None,
    peer: PeerOption = None,
    allow_widening: AllowWideningOption = None,
    leave_out: LeaveOutOption = None,
    by_address: ByAddressOption = False,
    source: SourceOption = None,
    region: RegionOption = "",
    profile: ProfileOption = "",
    endpoint_url: EndpointOption = "",
    timeout: TimeoutOption = 30,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    kubernetes_version: VersionOption = "",
    cni: CniOption = "",
    output: OutputOption = "text",
) -> int:
    """Bring a cloud's own groups to the policy, without shutting anything in between.

    Makes and changes what it made itself, as tags say; rules of others are named and left. Run
    again, it goes on where it stopped. Exit: 0 done, or nothing to do; 1 refused before anything
    was written; 3 the cloud could not be asked, or stopped half-way.
    """
    from preflight.runs.cloud_apply import Reached, run_apply
    from preflight.runs.cloud_policy import CloudRequest

    request = CloudRequest(
        cloud=cloud,
        roles=role,
        name=name,
        network=network,
        tags=tuple(tag or ()),
        quotas=tuple(quota or ()),
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
    reached = Reached(region, profile, endpoint_url, timeout)
    return run_apply(request, reached, dry_run=dry_run, diff=diff, output=output)
