"""`nodeprep probe`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.configured import takes_configuration
from preflight.cli.options import QuietOption, ReportOption, RoleOption, VerboseOption, parse_role

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@takes_configuration
def probe(
    *,
    role: RoleOption,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE|ROLE=ADDR",
            help="Whom: a node of the cluster file, or a role and addresses [all nodes].",
        ),
    ] = None,
    key: Annotated[
        str, typer.Option(metavar="FILE", help="The listeners' key [STATE/probe/key].")
    ] = "",
    card_dir: Annotated[
        str, typer.Option(metavar="DIR", help="The peers' cards, to see which rules they have.")
    ] = "",
    flags: dict[str, str],
    output: ReportOption = "text",
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Probe every flow that this node must be able to send to its peers.

    On each peer runs: nodeprep listen --role ROLE, with the same key.

    Exit: 0 all pass, 1 some do not, 2 wrong usage or configuration, 3 undetermined.
    """
    from preflight.runs.probe import Request, run_probe

    return run_probe(
        Request(
            role=parse_role(role),
            peers=tuple(peer or ()),
            key=key,
            card_dir=card_dir,
            **flags,
            output=output,
            quiet=quiet,
            verbose=verbose,
        )
    )
