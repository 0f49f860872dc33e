"""The linter rules, and a document judged by them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from rules.cloudlint.model import Document, Found, LintRule, Place

MODULES = ("common", "aws", "gcp", "azure", "openstack")
RULES: dict[str, LintRule] = {}
_Check = Callable[[Document], Iterator[Place]]


def lint(
    name: str, clouds: str, severity: str, title: str, source: str
) -> Callable[[_Check], _Check]:
    """Registers a function as a linter rule. ``clouds``: names with spaces between them."""

    def register(check: _Check) -> _Check:
        if name in RULES:
            raise ValueError(f"two linter rules are called {name}")
        RULES[name] = LintRule(name, tuple(clouds.split()), severity, title, source, check)
        return check

    return register


def rules() -> dict[str, LintRule]:
    """All of them, by id."""
    for module in MODULES:
        import_module(f"rules.cloudlint.rules.{module}")
    return dict(sorted(RULES.items()))


def judge(document: Document) -> list[Found]:
    """What is found in a document, in the order of the rules' ids."""
    return [
        Found(rule, document.source, where, message)
        for rule in rules().values()
        if document.cloud in rule.clouds
        for where, message in rule.check(document)
    ]
