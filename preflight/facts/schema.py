"""The JSON Schema of a facts file, made from the model's own annotations."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any, Union, get_args, get_origin, get_type_hints

from preflight.facts.model import Facts

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_ADDRESSES = {IPv4Address, IPv6Address, IPv4Network, IPv6Network, IPv4Interface, IPv6Interface}


def facts_schema() -> dict[str, Any]:
    """The schema of `nodeprep facts -o json`."""
    return schema_of(Facts, "Facts", "nodeprep facts -o json")


def schema_of(model: type, kind: str, title: str) -> dict[str, Any]:
    """Draft 2020-12 for a document of ``kind``: a ``$defs`` entry for each record of ``model``."""
    definitions: dict[str, Any] = {
        "Unknown": {
            "description": "A fact that could not be read, and why.",
            "type": "object",
            "additionalProperties": False,
            "required": ["unknown", "message"],
            "properties": {
                "unknown": {"enum": ["absent", "denied", "timeout", "failed", "not-asked"]},
                "message": {"type": "string"},
            },
        }
    }
    root = _record(model, definitions)
    root["properties"] |= {"schema_version": {"const": 1}, "kind": {"const": kind}}
    root["required"] = sorted([*root["required"], "schema_version", "kind"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _record(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "additionalProperties": False,
        "required": sorted(
            item.name
            for item in fields(kind)
            if item.default is MISSING and item.default_factory is MISSING
        ),
        "properties": {item.name: _schema(hints[item.name], definitions) for item in fields(kind)},
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, items = get_origin(kind), get_args(kind)
    if origin is Union or origin is types.UnionType:
        rest = [item for item in items if item not in _ADDRESSES]
        options = [_schema(item, definitions) for item in rest]
        if len(rest) < len(items):
            options.append({"type": "string", "description": "an address"})
        return options[0] if len(options) == 1 else {"anyOf": options}
    if origin is tuple:
        if len(items) == 2 and items[1] is Ellipsis:
            return {"type": "array", "items": _schema(items[0], definitions)}
        return {
            "type": "array",
            "prefixItems": [_schema(item, definitions) for item in items],
            "minItems": len(items),
            "maxItems": len(items),
        }
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(items[1], definitions)}
    if kind in _ADDRESSES:
        return {"type": "string", "description": "an address"}
    if is_dataclass(kind):
        name = getattr(kind, "__name__", str(kind))
        if name not in definitions:
            definitions[name] = {}  # first, so that a record that holds itself ends
            definitions[name] = _record(kind, definitions)
        return {"$ref": f"#/$defs/{name}"}
    return {"type": _PLAIN[kind]}
