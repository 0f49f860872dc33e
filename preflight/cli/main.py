"""The command `nodeprep`: its sub-commands are imported only when one is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer

from preflight import __version__
from preflight.cli.subcommands import group_of
from preflight.report.plain import printable
from rules.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_UNDETERMINED, NodeprepError

# name -> (module of preflight.cli that holds `app` or a function `command`, its line of help)
COMMANDS = {
    "check": ("check", "Judge this machine, or a saved one: can it become this kind of node?"),
    "explain": ("explain", "Say what a check wants, why, and from which source."),
    "fix": ("fix", "Mend what the checks find, as far as a program can; then judge again."),
    "undo": ("undo", "Take the last run of fix back, byte for byte."),
    "facts": ("facts", "Print everything that the checks read of this machine."),
    "compare": ("compare", "Compare the cards of many nodes: clones, disagreements, overlaps."),
    "listen": ("listen", "Listen on a role's real ports, for probes of other nodes."),
    "probe": ("probe", "Probe every flow that this node must be able to send to its peers."),
    "fleet": ("fleet", "Many nodes as one: the answer of a whole run, as text or one page."),
    "ports": ("ports", "List the ports and protocols that a role needs, with their reasons."),
    "cni": ("cni", "The pod network by the reference plugins: add, prove, keep clean."),
    "firewall": ("firewall", "The host firewall that a role needs: render, apply, trace, prove."),
    "cloud": ("cloud", "The same rules as a cloud's own firewall: render, apply, audit, lint."),
}


def _load(name: str) -> typer.Typer:
    loaded: typer.Typer = import_module(f"preflight.cli.{COMMANDS[name][0]}").app
    return loaded


app = typer.Typer(
    cls=group_of({name: line for name, (_, line) in COMMANDS.items()}, _load),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nodeprep {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (anywhere in the line).")
    ] = False,
) -> None:
    """Turn a bare Linux host into a node that kubeadm accepts, and prove it."""


def run(arguments: list[str]) -> int:
    """Runs one command line; the exit code of the contract. Never a traceback without --debug."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        result = call(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        result = EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  (never a traceback without --debug)
        if debug:
            import traceback

            traceback.print_exc()
        return _show(error) if _is_usage(error) else _say(*reason(error))
    if result == EXIT_INTERRUPTED:  # typer makes it of Ctrl-C, without a word
        return _say("interrupted", EXIT_INTERRUPTED)
    return result if isinstance(result, int) else EXIT_DONE


def _show(error: Any) -> int:
    error.show()
    return int(error.exit_code)


def call(arguments: list[str]) -> Any:
    """One command line in this process: what its function returns. Raises what it raises."""
    command = typer.main.get_command(app)
    return command.main(args=arguments, prog_name="nodeprep", standalone_mode=False)


def reason(error: Any) -> tuple[str, int]:
    """What to say of an error of a command, and its exit code by the contract."""
    if isinstance(error, NodeprepError):
        return str(error), error.exit_code
    if _is_usage(error):
        return error.format_message(), int(error.exit_code)
    told = f"internal error: {type(error).__name__}: {error}; --debug shows where"
    return told, EXIT_UNDETERMINED


def _is_usage(error: Any) -> bool:
    """Whether it is a usage error of click's own, by whichever click typer brings."""
    if not (hasattr(error, "exit_code") and hasattr(error, "show")):
        return False
    if type(error).__name__ == "MissingParameter" and not error.message:
        error.message = getattr(error.param, "help", None) or ""  # what the option takes
    return True


def _say(message: str, code: int) -> int:
    """One line on stderr, whatever the message holds."""
    print(f"nodeprep: {printable(' '.join(message.split()))}", file=sys.stderr)
    return code
