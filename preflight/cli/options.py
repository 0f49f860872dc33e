"""The options that several commands share, and the configuration that they amount to."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from rules.cluster import Role
from rules.errors import UsageError
from rules.words import hint


class Output(str, Enum):
    """What -o takes."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


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
