"""Values that every cloud's text has: numbers, networks, JSON and YAML documents. Pure."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

from rules.cluster import IPNetwork
from rules.errors import EXIT_UNDETERMINED, ConfigError
from rules.intervals import Interval
from rules.space import last_port

# The names that clouds take in the place of numbers.
PROTOCOLS = {
    "tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "ipv6-icmp": 58, "esp": 50, "ah": 51,
    "sctp": 132, "ipip": 4, "gre": 47, "vrrp": 112, "ipv6": 41, "ipv6-encap": 41, "udplite": 136,
    "dccp": 33,
}  # fmt: skip
EVERY_PROTOCOL = frozenset({"-1", "all", "any", "*"})


class NotComparable(ConfigError):
    """A rule that was read, and that no packet space of ours can hold: what it does is not known.

    The file is right, so this is no wrong input.
    """

    exit_code = EXIT_UNDETERMINED


def protocol(word: Any, source: str, where: str) -> int | None:
    """A protocol by name or number; None for every one. Raises ConfigError."""
    text = str(word).lower()
    if text in EVERY_PROTOCOL:
        return None
    if text in PROTOCOLS:
        return PROTOCOLS[text]
    if text.isascii() and text.isdigit() and int(text) <= 255:
        return int(text)
    raise ConfigError(source, f"no protocol is called {word!r}", key=where)


def network(word: Any, source: str, where: str) -> IPNetwork:
    """A network or an address; host bits are dropped, as clouds do. Raises ConfigError."""
    try:
        return ip_network(str(word), strict=False)
    except ValueError as error:
        raise ConfigError(source, str(error), key=where) from None


def number(word: Any, source: str, where: str) -> int:
    """A whole number, which JSON may hold as text. Raises ConfigError."""
    try:
        if isinstance(word, bool) or (isinstance(word, float) and not word.is_integer()):
            raise ValueError
        return int(word)
    except (TypeError, ValueError):
        raise ConfigError(source, f"{word!r} is no whole number", key=where) from None


def ports(text: str, protocol: int | None, source: str, where: str) -> Interval | None:
    """``22``, ``30000-32767`` or ``*``; None for all of them. Raises ConfigError."""
    if text == "*":
        return None
    first, _, last = text.partition("-")
    return interval(
        number(first, source, where), number(last or first, source, where), protocol, source, where
    )


def interval(
    first: int, last: int, protocol: int | None, source: str, where: str
) -> Interval | None:
    """A range of ports, None where it is all of them. Raises ConfigError for an impossible one."""
    most = last_port(protocol or 0)
    if not 0 <= first <= last <= most:
        raise ConfigError(source, f"{first}-{last} is no range of ports (0-{most})", key=where)
    return None if (first, last) == (0, most) else (first, last)


def document(text: str, source: str) -> Any:
    """A JSON document. Raises ConfigError with the line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(source, f"is not JSON: {error.msg}", line=error.lineno) from None


def yaml_document(text: str, source: str) -> Any:
    """A YAML or JSON document; tags such as CloudFormation's ``!Ref x`` become ``{"Ref": x}``.

    Raises ConfigError with the line.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def tagged(loader: Any, suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            inner: Any = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            inner = loader.construct_sequence(node, deep=True)
        else:
            inner = loader.construct_mapping(node, deep=True)
        if suffix == "GetAtt" and isinstance(inner, str):
            inner = inner.split(".", 1)
        return {suffix if suffix == "Ref" else f"Fn::{suffix}": inner}

    Loader.add_multi_constructor("!", tagged)
    try:
        return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader with one more constructor
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else None
        problem = getattr(error, "problem", None) or "cannot be read"
        raise ConfigError(source, f"is not YAML: {problem}", line=line) from None
    except RecursionError:
        raise ConfigError(source, "is nested too deeply") from None


def mapping(value: Any, source: str, where: str) -> dict[str, Any]:
    """A mapping, an absent one being empty. Raises ConfigError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(source, "is no mapping", key=where)
    return value


def sequence(value: Any, source: str, where: str) -> list[Any]:
    """A list, an absent one being empty. Raises ConfigError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ConfigError(source, "is no list", key=where)
    return value
