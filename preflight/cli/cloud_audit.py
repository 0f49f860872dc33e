"""`nodeprep cloud audit`."""

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
from preflight.cli.options import OutputOption

NetworkOption = Annotated[
    str, typer.Option("--network", metavar="ID", help="Only what is of this VPC or network.")
]


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cloud``."""
    app.command("audit")(audit)


@asks(
    "aws, gcp, azure, openstack or capi.",
    without=("scope", "location", "tag"),
    network=NetworkOption,
)
def audit(
    request: Any,
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
    region: RegionOption = "",
    profile: ProfileOption = "",
    endpoint_url: EndpointOption = "",
    timeout: TimeoutOption = None,
    output: OutputOption = "text",
) -> int:
    """Compare what a cloud lets in with the policy: what is missing, what is too wide.

    Changes nothing. Exit: 0 the same, 1 not; 2 a file cannot be compared; 3 the cloud could not
    be asked.
    """
    from preflight.runs.cloud_apply import Reached
    from preflight.runs.cloud_audit import State, run_audit

    state = State(tuple(files or ()), live, tuple(group or ()))
    reached = Reached(region, profile, endpoint_url, timeout)
    return run_audit(request, state, reached, output=output)
