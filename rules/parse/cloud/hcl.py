"""Terraform's language -> resources, by python-hcl2 (extra ``terraform``). Pure."""

from __future__ import annotations

import re
from typing import Any

from rules.errors import ConfigError
from rules.extras import absent
from rules.parse.cloud import values
from rules.record import record

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))|([$%])\4\{", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t"}
_INTERPOLATION = re.compile(r"(?<![$%])[$%]\{")


@record
class Reference:
    """An expression that is no literal: ``aws_security_group.worker.id``, ``var.vpc_id``."""

    text: str

    def __str__(self) -> str:
        return f"${{{self.text}}}"


@record
class Resource:
    """A ``resource`` block. Nested blocks are lists of mappings under their names."""

    kind: str
    name: str
    values: dict[str, Any]

    @property
    def address(self) -> str:
        """How Terraform calls it."""
        return f"{self.kind}.{self.name}"


def read(text: str, source: str) -> tuple[Resource, ...]:
    """Every resource of a file, in HCL or (text that begins with ``{``) in Terraform's JSON."""
    if text.lstrip().startswith("{"):
        return json_resources(values.document(text, source), source)
    return resources(text, source)


def resources(text: str, source: str) -> tuple[Resource, ...]:
    """Every resource of a file. Raises ConfigError for text that is no HCL."""
    try:
        import hcl2
        from lark.exceptions import LarkError, UnexpectedInput
    except ModuleNotFoundError:
        raise absent("to read Terraform's language", "python-hcl2>=8.1") from None
    try:
        found = hcl2.loads(text if text.endswith("\n") else f"{text}\n")
    except UnexpectedInput as error:
        raise ConfigError(source, "is not Terraform's language", line=error.line) from None
    except (LarkError, RecursionError) as error:
        raise ConfigError(source, f"is not Terraform's language: {type(error).__name__}") from None
    return tuple(
        Resource(literal(kind), literal(name), _plain(values))
        for block in found.get("resource", [])
        for kind, named in block.items()
        if isinstance(named, dict)
        for name, values in named.items()
        if isinstance(values, dict)
    )


def json_resources(document: Any, source: str) -> tuple[Resource, ...]:
    """Every resource of a file of Terraform's JSON syntax, read as JSON. Raises ConfigError where
    it is none."""
    kinds = document.get("resource", {}) if isinstance(document, dict) else None
    found: list[Resource] = []
    for kinds_of in kinds if isinstance(kinds, list) else [kinds]:
        if not isinstance(kinds_of, dict):
            raise ConfigError(source, "is no mapping", key="resource")
        for kind, named in kinds_of.items():
            for name, said in named.items() if isinstance(named, dict) else ():
                every = said if isinstance(said, list) else [said]
                found += [
                    Resource(kind, name, _json(one)) for one in every if isinstance(one, dict)
                ]
    return tuple(found)


def literal(text: str) -> str:
    """The value of a string literal as python-hcl2 gives it, with its quotes and escapes."""
    inside = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    return _ESCAPE.sub(_unescaped, inside)


def _unescaped(match: re.Match[str]) -> str:
    if match[1] or match[2]:
        code = int(match[1] or match[2], 16)
        return chr(code) if code < 0x110000 else "\ufffd"
    if match[4]:
        return f"{match[4]}{{"
    return _PLAIN.get(match[3], match[3])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            literal(key): _plain(inner)
            for key, inner in value.items()
            if key not in ("__is_block__", "__comments__", "__inline_comments__")
        }
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if len(value) > 1 and value[0] == value[-1] == '"':
        inside = value[1:-1]
        if _INTERPOLATION.search(inside):
            return _expression(inside)
        return literal(value)
    return _expression(value)


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    if isinstance(value, str):
        if _INTERPOLATION.search(value):
            return _expression(value)
        return value.replace("$${", "${").replace("%%{", "%{")
    return value


def _expression(text: str) -> Reference:
    inner = text[2:-1] if text.startswith("${") and text.endswith("}") else text
    return Reference(inner.strip())
