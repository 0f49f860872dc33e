"""`nodeprep cloud apply`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from preflight.cli.cloudoptions import (
    EndpointOption,
    ProfileOption,
    RegionOption,
    TimeoutOption,
    asks,
)
from preflight.cli.options import DryRunOption, OutputOption

NetworkOption = Annotated[
    str,
    typer.Option(
        "--network",
        metavar="ID",
        help="The VPC (AWS) or network (Google) of the rules; required there.",
    ),
]
ScopeOption = Annotated[
    str,
    typer.Option(
        "--scope",
        metavar="ID",
        help="The resource group (Azure; required), the project (Google) [gcloud's].",
    ),
]
DiffOption = Annotated[bool, typer.Option("--diff", help="Show before and after, as JSON.")]


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cloud``."""
    app.command("apply")(apply)


@asks("aws, gcp, azure or openstack.", network=NetworkOption, scope=ScopeOption)
def apply(
    request: Any,
    dry_run: DryRunOption = False,
    diff: DiffOption = False,
    region: RegionOption = "",
    profile: ProfileOption = "",
    endpoint_url: EndpointOption = "",
    timeout: TimeoutOption = None,
    output: OutputOption = "text",
) -> int:
    """Bring a cloud's own groups to the policy, without shutting anything in between.

    AWS by its API, the others by gcloud, az or openstack. Makes and changes what it made itself;
    rules of others are named and left. Run again, it goes on where it stopped. Exit: 0 done, or
    nothing to do; 1 refused before anything was written; 3 the cloud could not be asked, or
    stopped half-way.
    """
    from preflight.runs.cloud_apply import Reached, run_apply

    reached = Reached(region, profile, endpoint_url, timeout)
    return run_apply(request, reached, dry_run=dry_run, diff=diff, output=output)
