"""Left-hand sides of `nft -j`: payload, meta, ct, fib and the like -> Key. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rules.parse import names
from rules.parse.nftvalues import NotModelled, datatype, number
from rules.ruleset import FULL_MASK, Key, Test

_DEPENDS_ON_PROTOCOL = {**names.PORT_PROTOCOLS, "icmp": 1, "icmpv6": 58, "esp": 50, "ah": 51}
_SAME = {"meta iif": "meta iifname", "meta oif": "meta oifname"}


@lru_cache(maxsize=512)
def plain_key(name: str) -> Key:
    """The key of a name, one object for each."""
    return Key(name)


def keys_of(expression: Any) -> tuple[Key, ...]:
    """The keys of an expression, several for a concatenation. Raises NotModelled."""
    if isinstance(expression, dict) and "concat" in expression:
        return tuple(key_of(part) for part in expression["concat"])
    return (key_of(expression),)


def key_of(expression: Any) -> Key:
    """One key. Raises NotModelled."""
    if not isinstance(expression, dict) or len(expression) != 1:
        raise NotModelled(str(expression))
    [(kind, body)] = expression.items()
    if kind == "&":
        return _masked(*body)
    if kind in ("numgen", "jhash", "symhash"):
        if body.get("offset"):
            raise NotModelled(kind)
        return Key("random", modulus=int(body["mod"]))
    name = name_of(kind, body)
    datatype(name)
    return plain_key(_SAME.get(name, name))


def name_of(kind: str, body: dict[str, Any]) -> str:
    """The name of a plain left-hand side, whether or not the model knows it."""
    if kind == "payload":
        if "protocol" not in body:
            return f"@{body['base']},{body['offset']},{body['len']}"
        return f"{body['protocol']} {body['field']}"
    if kind == "meta":
        return f"meta {body['key']}"
    if kind == "ct":
        return " ".join(["ct", *([body["dir"]] if "dir" in body else []), body["key"]])
    if kind == "fib":
        return _fib(body)
    raise NotModelled(kind)


def _fib(body: dict[str, Any]) -> str:
    flags, result = list(body["flags"]), body["result"]
    if isinstance(body["flags"], str):
        flags = [body["flags"]]
    if result == "oif" and "saddr" in flags and "iif" in flags:
        # By which interface the source is reached; the mark only picks the table.
        return "fib saddr oif"
    if result == "type" and "mark" not in flags:
        return f"fib {' . '.join(flags)} type"
    raise NotModelled(f"fib {' . '.join(flags)} {result}")


def _masked(inner: Any, mask: Any) -> Key:
    key = key_of(inner)
    if key.mask is not None or "ifname" in key.name:
        raise NotModelled(str(inner))
    return Key(key.name, number(datatype(key.name), mask), key.xor, key.modulus)


def mark_source(expression: Any) -> tuple[Key | None, int, int]:
    """A value for ``meta mark set``: (source, mask, xor) of ``(source & mask) ^ xor``.

    Raises NotModelled for what has no such form.
    """
    if not isinstance(expression, dict):
        return None, 0, number("mark", expression)
    [(kind, body)] = expression.items()
    if kind in ("&", "|", "^"):
        source, mask, xor = mark_source(body[0])
        value = number("mark", body[1])
        if kind == "&":
            return source, mask & value, xor & value
        if kind == "|":
            return source, mask & ~value & FULL_MASK, (xor & ~value) | value
        return source, mask, xor ^ value
    key = key_of(expression)
    if key.name not in ("meta mark", "ct mark"):
        raise NotModelled(key.name)
    return key, FULL_MASK, 0


def dependencies(name: str) -> tuple[Test, ...]:
    """The headers that a payload expression needs, for one whose value nobody reads."""
    protocol = name.split(" ", 1)[0]
    if protocol in ("ip", "ip6"):
        family = 2 if protocol == "ip" else 10
        return (Test(plain_key("meta nfproto"), ((family, family),)),)
    if wanted := _DEPENDS_ON_PROTOCOL.get(protocol):
        return (Test(plain_key("meta l4proto"), ((wanted, wanted),)),)
    return ()
