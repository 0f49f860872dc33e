"""The options that several commands share, and the configuration that they amount to."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli import values
from rules.cluster import Role
from rules.errors import UsageError
from rules.words import hint


def parse_role(text: str) -> Role:
    """A role by its name; ``control-plane`` means ``master``."""
    role = Role.named(text)
    if role is None:
        names = [role.value for role in Role]
        raise UsageError(
            f"no role is called {text!r}; the roles are {', '.join(names)}{hint(text, names)}"
        )
    return role


RoleOption = Annotated[
    str,
    typer.Option(
        "--role",
        envvar="NODEPREP_ROLE",
        show_envvar=False,
        metavar="ROLE",
        autocompletion=values.roles,
        help="master, worker, multi-master or etcd.",
    ),
]
ConfigOption = Annotated[
    str,
    typer.Option(
        "--config",
        envvar="NODEPREP_CONFIG",
        show_envvar=False,
        metavar="FILE",
        help="Cluster file [/etc/nodeprep/nodeprep.yaml].",
    ),
]
KubeadmConfigOption = Annotated[
    str,
    typer.Option(
        "--kubeadm-config",
        envvar="NODEPREP_KUBEADM_CONFIG",
        show_envvar=False,
        metavar="FILE",
        help="kubeadm's own configuration.",
    ),
]
VersionOption = Annotated[
    str,
    typer.Option(
        "--kubernetes-version",
        envvar="NODEPREP_KUBERNETES_VERSION",
        show_envvar=False,
        metavar="VERSION",
        help="Such as 1.37.",
    ),
]
CniOption = Annotated[
    str,
    typer.Option(
        "--cni",
        envvar="NODEPREP_CNI",
        show_envvar=False,
        metavar="NAME[/MODE]",
        autocompletion=values.networks,
        help="Pod network, such as flannel/vxlan.",
    ),
]
SourceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="GROUP=CIDR[,CIDR]",
        help="Addresses of a source group, beside the cluster file's; may be repeated.",
    ),
]
PhaseOption = Annotated[
    str, typer.Option("--phase", metavar="PHASE", help="before kubeadm has run, or after.")
]
IgnoreOption = Annotated[
    str,
    typer.Option(
        "--ignore",
        metavar="ID,..",
        help="Run and print, but do not count.",
        autocompletion=values.checks,
    ),
]
SkipOption = Annotated[
    str,
    typer.Option("--skip", metavar="ID,..", help="Do not run.", autocompletion=values.checks),
]
StrictOption = Annotated[bool, typer.Option("--strict", help="A warning counts as a failure.")]
DeepOption = Annotated[bool, typer.Option("--deep", help="Also measure: etcd's disk.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Send no packet.")]
CardsArgument = Annotated[
    list[str],
    typer.Argument(metavar="CARD...", help="Files, directories of *.json, or - for stdin."),
]
ClusterOption = Annotated[
    str,
    typer.Option("--cluster", metavar="NAME", help="Which cluster's cards [that of most cards]."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
]
OutputOption = Annotated[
    str, typer.Option("-o", "--output", metavar="FORMAT", help="text, json or yaml.")
]
DocumentOption = Annotated[
    str, typer.Option("-o", "--output", metavar="FORMAT", help="json or yaml.")
]
ReferenceOption = Annotated[
    str, typer.Option("-o", "--output", metavar="FORMAT", help="text, json, yaml or markdown.")
]
ReportOption = Annotated[
    str,
    typer.Option(
        "-o", "--output", metavar="FORMAT", help="text, json, yaml, junit, sarif or html."
    ),
]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Only what needs doing.")]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Everything that was seen.")]
