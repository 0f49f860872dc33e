"""`nodeprep cloud audit`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.cloudoptions import (
    AccountOption,
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
    TimeoutOption,
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
    app.command("audit")(audit)


def audit(
    cloud: Annotated[str, typer.Argument(metavar="CLOUD", help="aws, gcp, azure or openstack.")],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...", help="What the cloud's command prints, or Terraform; - is stdin."
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask AWS instead of files.")] = False,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="ROLE=NAME",
            help="The group of a role, by name or id, where it is not called as ours; may be "
            "repeated.",
        ),
    ] = None,
    network: Annotated[
        str, typer.Option("--network", metavar="ID", help="Only what is of this VPC or network.")
    ] = "",
    role: RolesOption = "all",
    name: NameOption = "nodeprep",
    quota: QuotaOption = None,
    service_account: AccountOption = None,
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
    """Compare what a cloud lets in with the policy: what is missing, what is too wide.

    Changes nothing. Exit: 0 the same, 1 not; 2 a file cannot be compared; 3 the cloud could not
    be asked.
    """
    from preflight.runs.cloud_apply import Reached
    from preflight.runs.cloud_audit import State, run_audit
    from preflight.runs.cloud_policy import CloudRequest

    request = CloudRequest(
        cloud=cloud,
        roles=role,
        name=name,
        network=network,
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
    state = State(tuple(files or ()), live, tuple(group or ()))
    reached = Reached(region, profile, endpoint_url, timeout)
    return run_audit(request, state, reached, output=output)
