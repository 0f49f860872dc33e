"""The options that the sub-commands of `nodeprep firewall` share."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli import values

BackendOption = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="BACKEND",
        help="auto, nftables, iptables-nft, iptables-legacy, firewalld or ufw.",
    ),
]
PostureOption = Annotated[
    str,
    typer.Option(
        metavar="POSTURE",
        help="allow: open what is needed. enforce: also deny the rest.",
        autocompletion=values.postures,
    ),
]
DiffOption = Annotated[
    bool, typer.Option("--diff", help="Show before and after, as the kernel prints them.")
]
ConfirmWithinOption = Annotated[
    int,
    typer.Option(
        "--confirm-within",
        min=0,
        max=86400,
        metavar="SECONDS",
        help="Roll back unless confirmed by then; 0: no confirmation.",
    ),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Even if it would cut your own SSH connection.")
]
