"""The manual page nodeprep(1), from the commands as typer knows them."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rules.record import record

TEMPLATE = Path(__file__).with_name("nodeprep.1.j2")


@record
class Page:
    """One command: its words after ``nodeprep``, usage, text, and options with their help."""

    path: str
    usage: str
    text: str
    options: tuple[tuple[str, str], ...]


def manual(version: str, epoch: int) -> str:
    """The page in man(7)'s macros."""
    from jinja2 import Environment, StrictUndefined

    # Roff has no escapes that autoescape knows; every value goes through one of the two filters.
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters.update(roff=roff, paragraphs=paragraphs)
    root, *commands = pages()
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        root=root,
        commands=commands,
        version=version,
        date=time.strftime("%Y-%m-%d", time.gmtime(epoch)),
    )


def pages() -> Iterator[Page]:
    """The program itself, then each command in the order of its help."""
    import typer

    from preflight.cli.main import app

    yield from _walk(typer.main.get_command(app), None, "nodeprep")


def roff(text: str) -> str:
    """Text in one line, without any character to which roff gives a meaning."""
    escaped = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    escaped = escaped.replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    escaped = escaped.replace("~", "\\(ti")
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped


def paragraphs(text: str) -> str:
    """Paragraphs, each in a line of its own."""
    parts = re.split(r"\n\s*\n", inspect.cleandoc(text).replace("\b", ""))
    return "\n.PP\n".join(roff(part) for part in parts if part.strip())


def _walk(command: Any, parent: Any, name: str) -> Iterator[Page]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    records = (parameter.get_help_record(context) for parameter in command.get_params(context))
    yield Page(
        path=context.command_path.partition(" ")[2],
        usage=" ".join(command.collect_usage_pieces(context)),
        text=command.help or "",
        options=tuple(one for one in records if one is not None),
    )
    if hasattr(command, "list_commands"):
        for child in command.list_commands(context):
            yield from _walk(command.get_command(context, child), context, child)
