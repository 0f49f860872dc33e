"""Values as documents of any cloud have them: literals, lists, and expressions. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rules.cloudlint.model import Party
from rules.parse.cloud import hcl, values
from rules.parse.cloud.hcl import Reference, Resource


def resources(text: str, source: str) -> tuple[Resource, ...]:
    """Those of Terraform, in HCL or JSON."""
    if text.lstrip().startswith("{"):
        return hcl.json_resources(values.document(text, source), source)
    return hcl.resources(text, source)


def literal(value: Any) -> Any:
    """The value, None where it is an expression of Terraform or a function of a template."""
    if isinstance(value, Reference | dict):
        return None
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return None  # an expression of ARM
    return value


def word(value: Any) -> str | None:
    """A literal as text, None where there is none."""
    found = literal(value)
    return None if found is None else str(found)


def listed(value: Any) -> list[Any]:
    """A list as it is, one value as a list, nothing as an empty one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def parties(kind: str, value: Any) -> tuple[list[Party], int]:
    """The literal ones of a field, and how many more are expressions."""
    every = [literal(one) for one in listed(value)]
    return [(kind, str(one)) for one in every if one is not None], every.count(None)


def gathered(fields: Iterable[tuple[str, Any]]) -> tuple[tuple[Party, ...], int]:
    """Of several fields, each with its kind."""
    found: list[Party] = []
    hidden = 0
    for kind, value in fields:
        some, more = parties(kind, value)
        found += some
        hidden += more
    return tuple(found), hidden


def span(text: Any) -> tuple[Any, Any]:
    """``22`` or ``30000-32767`` as two ends, whatever they are."""
    first, dash, last = str(text).partition("-")
    return (first.strip(), last.strip()) if dash else (first.strip(), first.strip())
