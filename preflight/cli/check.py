"""`nodeprep check`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.configured import takes_configuration
from preflight.cli.options import (
    DeepOption,
    IgnoreOption,
    OfflineOption,
    PhaseOption,
    QuietOption,
    ReportOption,
    RoleOption,
    SkipOption,
    StrictOption,
    VerboseOption,
    parse_role,
)

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@takes_configuration
def check(
    *,
    role: RoleOption,
    phase: PhaseOption = "before",
    ignore: IgnoreOption = "",
    skip: SkipOption = "",
    strict: StrictOption = False,
    deep: DeepOption = False,
    offline: OfflineOption = False,
    facts: Annotated[
        str, typer.Option(metavar="FILE", help="Judge saved facts, not this machine.")
    ] = "",
    card_dir: Annotated[
        str, typer.Option(metavar="DIR", help="The other nodes' cards, to compare with.")
    ] = "",
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE|ROLE=ADDR|all", help="Also probe it, where nodeprep listen runs."
        ),
    ] = None,
    key: Annotated[
        str, typer.Option(metavar="FILE", help="The listeners' key [STATE/probe/key].")
    ] = "",
    flags: dict[str, str],
    output: ReportOption = "text",
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Judge this machine, or a saved one: can it become this kind of node?

    Exit: 0 ready, 1 not ready, 2 wrong usage or configuration, 3 undetermined.
    """
    from preflight.runs.check import Request, run_check

    return run_check(
        Request(
            role=parse_role(role),
            phase=phase,
            ignore=ignore,
            skip=skip,
            strict=strict,
            deep=deep,
            offline=offline,
            facts=facts,
            card_dir=card_dir,
            peers=tuple(peer or ()),
            key=key,
            **flags,
            output=output,
            quiet=quiet,
            verbose=verbose,
        )
    )
