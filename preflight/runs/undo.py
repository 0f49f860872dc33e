"""One run of `nodeprep undo`: the last run of fix is taken back."""

from __future__ import annotations

from preflight.output import check_format, say, write
from rules.errors import EXIT_DONE, EXIT_FAILED
from rules.record import record
from rules.state import StateError, Store


@record
class Request:
    """The flags of `nodeprep undo` as given."""

    dry_run: bool
    diff: bool
    force: bool
    output: str


def run_undo(request: Request) -> int:
    """Takes the last run of fix back; 1 where something of it could not be."""
    from preflight.fixes import execute, journal
    from preflight.fixes.changes import undo_items
    from preflight.report import fix as report

    check_format(request.output)
    store = Store(journal.SUBJECT)
    if not journal.journals(store):
        nothing = report.undo_document(None, (), (), 0, request.dry_run)
        write(nothing, ["nothing to undo"], request.output)
        return EXIT_DONE
    with store.lock():
        found = journal.journals(store)
        if not found:
            raise StateError("another nodeprep has just undone it")
        last = found[-1]
        changes = execute.undo_changes(last)
        foreign = execute.foreign_edits(last)
        items = undo_items(changes)
        problems = () if request.force else report.foreign_problems(foreign)
        if not request.dry_run and not problems:
            problems = execute.undo(last, store)
        # One that could not be undone as a whole can be tried again.
        remaining = len(journal.journals(store)) - (request.dry_run and not problems)
    kept = execute.kept_packages(last)
    refused = bool(problems) and bool(foreign) and not request.force
    document = report.undo_document(
        last, () if refused else items, problems, remaining, request.dry_run
    )
    lines = report.undo_lines(document, diff=request.diff)
    write(document, lines, request.output)
    for name in kept:
        say(f"the package {name.partition(':')[2]} stays installed")
    return EXIT_FAILED if problems else EXIT_DONE
