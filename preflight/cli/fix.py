"""`nodeprep fix`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli import values
from preflight.cli.configured import takes_configuration
from preflight.cli.options import (
    DryRunOption,
    OfflineOption,
    OutputOption,
    PhaseOption,
    RoleOption,
    parse_role,
)

app = typer.Typer(rich_markup_mode=None, add_completion=False)
DiffOption = Annotated[bool, typer.Option("--diff", help="Show the lines that change.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Write over what somebody changed in nodeprep's files.")
]


@app.command()
@takes_configuration
def fix(
    *,
    role: RoleOption,
    only: Annotated[
        str,
        typer.Option(
            metavar="ID,..", autocompletion=values.checks, help="Only what these checks find."
        ),
    ] = "",
    ignore: Annotated[
        str,
        typer.Option(
            metavar="ID,..",
            autocompletion=values.checks,
            help="Leave as it is; printed, but it does not count.",
        ),
    ] = "",
    skip: Annotated[
        str,
        typer.Option(
            metavar="ID,..", autocompletion=values.checks, help="Leave as it is, unlooked at."
        ),
    ] = "",
    dry_run: DryRunOption = False,
    diff: DiffOption = False,
    force: ForceOption = False,
    hostname: Annotated[str, typer.Option(metavar="NAME", help="Give the machine this name.")] = "",
    regenerate_machine_id: Annotated[
        bool, typer.Option("--regenerate-machine-id", help="This machine is a copy: a new ID.")
    ] = False,
    regenerate_ssh_host_keys: Annotated[
        bool, typer.Option("--regenerate-ssh-host-keys", help="And new SSH host keys.")
    ] = False,
    install_packages: Annotated[
        bool, typer.Option("--install-packages", help="Install what is missing (apt, dnf, zypper).")
    ] = False,
    phase: PhaseOption = "before",
    offline: OfflineOption = False,
    next_: Annotated[
        list[str] | None,
        typer.Option(
            "--next",
            metavar="COMMAND",
            help="Also say what this command would change then, such as 'cni install'; again "
            "for each.",
        ),
    ] = None,
    flags: dict[str, str],
    output: OutputOption = "text",
) -> int:
    """Mend what the checks find, as far as a program can; then judge again.

    `nodeprep undo` takes it back. Exit: as check, by the verdict after it; 1 too where something
    was refused or failed. With --dry-run 0.
    """
    from preflight.cli.nextsteps import next_steps
    from preflight.runs.fix import Request, run_fix

    return run_fix(
        Request(
            role=parse_role(role),
            only=only,
            ignore=ignore,
            skip=skip,
            dry_run=dry_run,
            diff=diff,
            force=force,
            phase=phase,
            hostname=hostname,
            regenerate_machine_id=regenerate_machine_id,
            regenerate_ssh_host_keys=regenerate_ssh_host_keys,
            install_packages=install_packages,
            offline=offline,
            **flags,
            output=output,
        ),
        next_steps(next_) if next_ else None,
    )
