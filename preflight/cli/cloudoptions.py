"""The options that the sub-commands of `nodeprep cloud` share."""

from __future__ import annotations

from typing import Annotated

import typer

CloudArgument = Annotated[
    str, typer.Argument(metavar="CLOUD", help="aws, gcp, azure, openstack or capi.")
]
RolesOption = Annotated[
    str,
    typer.Option("--role", metavar="all|ROLE,..", help="Whose rules; all: those of the cluster."),
]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="One of the cloud's formats [its first one].",
    ),
]
NameOption = Annotated[
    str, typer.Option("--name", metavar="PREFIX", help="With what each group's name begins.")
]
NetworkOption = Annotated[
    str,
    typer.Option(
        "--network", metavar="ID", help="The VPC or network [asked for where the document is used]."
    ),
]
ScopeOption = Annotated[
    str,
    typer.Option("--scope", metavar="ID", help="The resource group (Azure), the project (Google)."),
]
LocationOption = Annotated[
    str, typer.Option("--location", metavar="REGION", help="The region (Azure).")
]
TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="KEY=VALUE", help="On every group; may be repeated."),
]
AccountOption = Annotated[
    list[str] | None,
    typer.Option(
        "--service-account",
        metavar="ROLE=EMAIL",
        help="Of a role's machines, instead of a network tag (Google); for every role.",
    ),
]
QuotaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--quota",
        metavar="NAME=NUMBER",
        help="What your account may have instead of the cloud's default; may be repeated.",
    ),
]
PeerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--peer",
        metavar="GROUP=NAME",
        help="What the cloud has for a source group, such as load-balancers=sg-0123456789abcdef0; "
        "may be repeated.",
    ),
]
AllowWideningOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-widening",
        metavar="FLOW[,FLOW]",
        help="Let in more than the flow needs, where the cloud has no words for it.",
    ),
]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option("--leave-out", metavar="FLOW[,FLOW]", help="Do without a flow."),
]
ByAddressOption = Annotated[
    bool,
    typer.Option(
        "--by-address", help="Name nodes by their addresses, not by their group (other networks)."
    ),
]
RegionOption = Annotated[
    str,
    typer.Option("--region", metavar="REGION", help="Of AWS [AWS_REGION or the profile's]."),
]
ProfileOption = Annotated[
    str, typer.Option("--profile", metavar="NAME", help="Of AWS [AWS_PROFILE].")
]
EndpointOption = Annotated[
    str, typer.Option("--endpoint-url", metavar="URL", help="Another server of the EC2 API.")
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", min=0.1, max=600, metavar="SECONDS", help="For one answer of the API."
    ),
]
