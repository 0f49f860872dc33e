"""The options that the sub-commands of `nodeprep cloud` share."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

from preflight.cli import values
from preflight.cli.options import (
    CniOption,
    ConfigOption,
    KubeadmConfigOption,
    SourceOption,
    VersionOption,
)

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
    float | None,
    typer.Option(
        "--timeout",
        min=0.1,
        max=600,
        metavar="SECONDS",
        help="For one answer of the API [30], or one call of the vendor's command [120].",
    ),
]

# What every request of a cloud's rules has: option -> its field of CloudRequest, what it is, and
# what it is where it is not given.
_OF_REQUEST: dict[str, tuple[str, Any, Any]] = {
    "role": ("roles", RolesOption, "all"),
    "name": ("name", NameOption, "nodeprep"),
    "network": ("network", NetworkOption, ""),
    "scope": ("scope", ScopeOption, ""),
    "location": ("location", LocationOption, ""),
    "tag": ("tags", TagOption, None),
    "quota": ("quotas", QuotaOption, None),
    "service_account": ("accounts", AccountOption, None),
    "peer": ("peers", PeerOption, None),
    "allow_widening": ("allow_widening", AllowWideningOption, None),
    "leave_out": ("leave_out", LeaveOutOption, None),
    "by_address": ("by_address", ByAddressOption, False),
    "source": ("sources", SourceOption, None),
    "config": ("config", ConfigOption, ""),
    "kubeadm_config": ("kubeadm_config", KubeadmConfigOption, ""),
    "kubernetes_version": ("kubernetes_version", VersionOption, ""),
    "cni": ("cni", CniOption, ""),
}


def asks(
    clouds: str, *, without: tuple[str, ...] = (), **instead: Any
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """A command whose first parameter is a ``CloudRequest``: on the command line it is the argument
    CLOUD and the options of a request, behind the command's own.

    ``clouds``: those that it knows, for the help. ``without``: options that it does not have;
    ``instead``: options that it explains otherwise.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        here = {key: item for key, item in _OF_REQUEST.items() if key not in without}

        def called(**given: Any) -> int:
            from preflight.runs.cloud_policy import CloudRequest

            said = {field: given.pop(key) for key, (field, _, _) in here.items()}
            listed = {key: tuple(said[key] or ()) for key in said if _is_list(here, key)}
            request = CloudRequest(cloud=given.pop("cloud"), **{**said, **listed})
            return command(request, **given)

        argument = Annotated[
            str, typer.Argument(metavar="CLOUD", help=clouds, autocompletion=values.clouds)
        ]
        own = list(signature(command, eval_str=True).parameters.values())[1:]
        kind = Parameter.KEYWORD_ONLY
        parameters = [
            Parameter("cloud", kind, annotation=argument),
            *(one.replace(kind=kind) for one in own),
            *(
                Parameter(key, kind, annotation=instead.get(key, what), default=default)
                for key, (_, what, default) in here.items()
            ),
        ]
        called.__doc__, called.__name__ = command.__doc__, command.__name__
        called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return decorate


def _is_list(options: dict[str, tuple[str, Any, Any]], name: str) -> bool:
    return any(field == name and default is None for field, _, default in options.values())
