"""Values of the wrong kind or out of bounds: Go refuses the first, the plugin the second. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from preflight.cni import schema
from preflight.cni.problem import Problem
from preflight.cni.schema import Key

_WORDS = {
    schema.BOOL: "true or false",
    schema.INT: "a whole number",
    schema.UINT: "a whole number from 0",
    schema.TEXT: "text",
    schema.OBJECT: "an object",
    schema.LIST: "a list",
    schema.TEXTS: "a list of texts",
    schema.IP: "an IP address",
    schema.CIDR: "an address with its prefix length",
    schema.NETWORK: "a network with its prefix length",
}


def values(body: dict[str, Any], keys: dict[str, Key], place: str) -> Iterator[Problem]:
    """The values of ``body`` that are not what ``keys`` says; keys that are unknown are left."""
    lowered = {name.lower(): key for name, key in keys.items()}
    for name, value in body.items():
        key = keys.get(name) or lowered.get(name.lower())
        if key is None or value is None:
            continue
        yield from value_problems(value, key, f"{place}.{name}" if place else name)


def value_problems(value: Any, key: Key, place: str) -> Iterator[Problem]:
    """What is wrong with one value."""
    name = place.rpartition(".")[2]
    if not _is(value, key.kind):
        yield Problem(
            "kind",
            place,
            f"{_show(value)} is not {_WORDS[key.kind]}, and the plugin refuses the whole file",
            f"write {_WORDS[key.kind]} for {name}",
        )
        return
    if key.choices and value not in ("", *key.choices):
        yield Problem(
            "choice",
            place,
            f"{_show(value)} is not one of {', '.join(key.choices)}",
            f"write {key.choices[0]}, or take {name} out",
        )
    if isinstance(value, int) and not isinstance(value, bool):
        low = key.low if key.low is not None else value
        high = key.high if key.high is not None else value
        if not low <= value <= high:
            bounds = f"{low} to {high}" if key.high is not None else f"{low} or more"
            yield Problem("bounds", place, f"{value} is not {bounds}", f"write {bounds}")
    if key.item is None:
        return
    if isinstance(value, dict):
        yield from values(value, key.item, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            spot = f"{place}[{index}]"
            if isinstance(item, dict):
                yield from values(item, key.item, spot)
            else:
                yield Problem(
                    "kind", spot, f"{_show(item)} is not an object", "write it as an object"
                )


def _is(value: Any, kind: str) -> bool:
    if kind == schema.ANY:
        return True
    if kind == schema.BOOL:
        return isinstance(value, bool)
    if kind in (schema.INT, schema.UINT):
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and (kind == schema.INT or value >= 0)
    if kind == schema.TEXTS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    plain = {schema.OBJECT: dict, schema.LIST: list}.get(kind)
    if plain is not None:
        return isinstance(value, plain)
    return isinstance(value, str) and (value == "" or _parses(value, kind))


def _parses(text: str, kind: str) -> bool:
    try:
        if kind == schema.IP:
            ip_address(text)
        elif kind == schema.CIDR:
            ip_interface(text)
        elif kind == schema.NETWORK:
            ip_network(text, strict=False)
    except ValueError:
        return False
    # Python takes an address without a prefix for a network of one; Go does not.
    return kind not in (schema.CIDR, schema.NETWORK) or "/" in text


def _show(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
