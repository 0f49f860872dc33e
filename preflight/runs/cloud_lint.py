"""One run of `nodeprep cloud lint`: files of clouds, whoever wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preflight.output import check_format, say, write
from rules.errors import EXIT_DONE, EXIT_FAILED, UsageError

if TYPE_CHECKING:
    from rules.cloudlint.model import Found

NOT_READ = (
    "judged by who may send what; names, descriptions, priorities, tags and how many rules of such "
    "a file are not read"
)


def run_lint(files: tuple[str, ...], quotas: tuple[str, ...], *, output: str) -> int:
    """Prints what is found. The exit code: 1 where an error is among it."""
    from preflight.report.plain import printable
    from rules.cloud import load
    from rules.cloudlint.model import ERROR
    from rules.cloudlint.read import read
    from rules.cloudlint.registry import judge
    from rules.files import read_input
    from rules.parse.cloud.detect import detect

    check_format(output)
    if not files:
        raise UsageError("cloud lint takes files; - is standard input")
    known = _quotas(quotas)
    found: list[Found] = []
    seen: list[dict[str, Any]] = []
    names: set[str] = set()
    partly: list[str] = []
    for path in files:
        for text in detect(read_input(path), path):
            document = read(text, known)
            names |= load(document.cloud).QUOTAS.keys()
            alone = document.rules_alone
            seen.append(
                {"file": path, "cloud": text.cloud, "format": text.form, "rules_alone": alone}
            )
            if alone:
                partly.append(f"{path} ({text.form}): {NOT_READ}")
            found += judge(document)
    if strange := sorted(known.keys() - names):
        there = ", ".join(sorted(names))
        raise UsageError(f"--quota: nothing there has {strange[0]!r}; there are {there}")
    errors = sum(one.rule.severity == ERROR for one in found)
    lines = [
        printable(f"{one.rule.severity}: {one.file}: {one.where}: {one.message} [{one.rule.id}]")
        for one in found
    ]
    lines.append(
        f"{len(seen)} document{'s' if len(seen) != 1 else ''}: {errors} errors, "
        f"{len(found) - errors} warnings"
    )
    write(_document(seen, found, ok=not errors), lines, output)
    for line in partly:
        say(line)
    return EXIT_FAILED if errors else EXIT_DONE


def _document(seen: list[dict[str, Any]], found: list[Found], *, ok: bool) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "kind": "CloudLint",
        "files": seen,
        "ok": ok,
        "findings": [
            {
                "id": one.rule.id,
                "severity": one.rule.severity,
                "file": one.file,
                "place": one.where,
                "title": one.rule.title,
                "message": one.message,
                "source": one.rule.source,
            }
            for one in found
        ],
    }


def _quotas(words: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (equals and name and text.isascii() and text.isdigit() and int(text[:9])):
            raise UsageError(f"--quota takes NAME=NUMBER, not {word!r}")
        found[name] = int(text)
    return found


def run_rules(output: str) -> int:
    """Prints the linter rules."""
    from rules.cloudlint.registry import rules

    check_format(output)
    every = rules().values()
    result = {
        "schema_version": 1,
        "kind": "CloudLintRules",
        "rules": [
            {
                "id": one.id,
                "clouds": list(one.clouds),
                "severity": one.severity,
                "title": one.title,
                "source": one.source,
            }
            for one in every
        ],
    }
    lines = [f"{one.id:26}{one.severity:9}{one.title} ({', '.join(one.clouds)})" for one in every]
    write(result, lines, output)
    return EXIT_DONE
