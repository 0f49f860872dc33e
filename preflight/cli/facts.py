"""`nodeprep facts`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.configured import takes_configuration
from preflight.cli.options import DeepOption, DocumentOption, OfflineOption, RoleOption, parse_role

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@takes_configuration
def facts(
    *,
    card: Annotated[
        bool, typer.Option("--card", help="Only what other nodes' cards are compared with.")
    ] = False,
    role: RoleOption = "",
    output: DocumentOption = "json",
    offline: OfflineOption = False,
    deep: DeepOption = False,
    facts: Annotated[
        str, typer.Option(metavar="FILE", help="With --card: of saved facts, not this machine.")
    ] = "",
    flags: dict[str, str],
) -> int:
    """Print everything that the checks read of this machine.

    Judge it elsewhere with: nodeprep check --role ROLE --facts FILE

    With --card: the node's card, to be compared with those of the others by nodeprep compare.
    """
    from preflight.runs.facts import Request, run_facts

    return run_facts(
        Request(
            card=card,
            role=parse_role(role) if role else None,
            output=output,
            offline=offline,
            deep=deep,
            facts=facts,
            **flags,
        )
    )
