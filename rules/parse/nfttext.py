"""`nft -j` back into nft's own words, for messages: as `nft list ruleset` prints it. Pure."""

from __future__ import annotations

from typing import Any

_PLAIN_META = frozenset({"iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup"})


def rule_text(expressions: Any, comment: str = "") -> str:
    """A whole rule on one line."""
    parts = expressions if isinstance(expressions, list) else [expressions]
    words = [statement_text(part) for part in parts]
    if comment:
        words.append(f'comment "{comment}"')
    return " ".join(word for word in words if word)


def statement_text(statement: Any) -> str:
    """One expression or statement of a rule."""
    if isinstance(statement, str):
        return " ".join(statement.split())
    if not isinstance(statement, dict) or len(statement) != 1:
        return str(statement)
    [(kind, body)] = statement.items()
    try:
        return _statement(kind, body)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return f"{kind} {body}" if body is not None else kind


def _statement(kind: str, body: Any) -> str:
    if kind == "match":
        return _match(body)
    if kind in ("jump", "goto"):
        return f"{kind} {body['target']}"
    if kind == "vmap":
        key = expression_text(body["key"])
        return f"{key} vmap {expression_text(body['data'], key)}"
    if kind == "mangle":
        key = expression_text(body["key"])
        return f"{key} set {expression_text(body['value'], key)}"
    if kind in ("dnat", "snat", "redirect", "masquerade", "tproxy"):
        return _nat(kind, body or {})
    if kind == "counter":
        return f'counter name "{body}"' if isinstance(body, str) else "counter"
    if kind == "limit":
        return _limit(body)
    if kind == "log":
        return " ".join(["log", *_options(body or {})])
    if kind == "reject":
        return _reject(body)
    if kind in ("set", "map") and "op" in body:
        return f"{body['op']} {body['set']} {{ {expression_text(body['elem'])} }}"
    if kind == "meter":
        inner = statement_text(body["stmt"])
        return f"meter {body['name']} {{ {expression_text(body['key'])} {inner} }}"
    if kind == "ct count":
        return f"ct count {'over ' if body.get('inv') else ''}{body['val']}"
    if kind == "quota":
        return f"quota {'over ' if body.get('inv') else ''}{body['val']} {body['val_unit']}"
    if kind == "ct helper":
        return f'ct helper set "{body}"'
    if kind == "xt":
        name = body.get("name", "") if isinstance(body, dict) else ""
        return f"xt {name} (an iptables extension)".replace("  ", " ")
    return kind if body is None else f"{kind} {expression_text(body)}"


def _match(body: dict[str, Any]) -> str:
    left, operator, right = body["left"], body["op"], body["right"]
    if isinstance(left, dict) and list(left) == ["&"] and isinstance(left["&"][1], list):
        inner, mask = left["&"]
        words = [
            expression_text(inner),
            *(["!="] if operator == "!=" else []),
            f"{_flags(right)} / {_flags(mask)}",
        ]
        return " ".join(words)
    name = expression_text(left)
    shown = _flags(right) if isinstance(right, list) else expression_text(right, quoted=name)
    if isinstance(left, dict) and list(left) == ["&"]:
        return f"{name} {operator} {shown}"
    sign = "" if operator in ("==", "in") else f"{operator} "
    return f"{name} {sign}{shown}"


def _flags(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def expression_text(value: Any, quoted: str = "") -> str:
    """A value or a left-hand side. ``quoted``: the left-hand side that it stands against."""
    if isinstance(value, str):
        return f'"{value}"' if quoted in _NAMES and not value.startswith("@") else value
    if isinstance(value, bool):
        return "exists" if value else "missing"
    if isinstance(value, int) and "mark" in quoted:
        return f"0x{value:08x}"
    if isinstance(value, list):
        return ", ".join(expression_text(item, quoted) for item in value)
    if not isinstance(value, dict) or len(value) != 1:
        return str(value)
    [(kind, body)] = value.items()
    if kind == "payload":
        if "protocol" in body:
            return f"{body['protocol']} {body['field']}"
        return f"@{body['base']},{body['offset']},{body['len']}"
    if kind == "meta":
        return body["key"] if body["key"] in _PLAIN_META else f"meta {body['key']}"
    if kind == "ct":
        return " ".join(["ct", *([body["dir"]] if "dir" in body else []), body["key"]])
    if kind == "fib":
        flags = body["flags"] if isinstance(body["flags"], list) else [body["flags"]]
        return f"fib {' . '.join(flags)} {body['result']}"
    return _compound(kind, body, quoted)


def _compound(kind: str, body: Any, quoted: str) -> str:
    if kind == "concat":
        names = quoted.split(" . ")
        if len(names) != len(body):
            names = [""] * len(body)
        pairs = zip(body, names, strict=True)
        return " . ".join(expression_text(item, name) for item, name in pairs)
    if kind == "prefix":
        return f"{expression_text(body['addr'])}/{body['len']}"
    if kind == "range":
        return f"{expression_text(body[0], quoted)}-{expression_text(body[1], quoted)}"
    if kind == "set":
        items = body if isinstance(body, list) else [body]
        return f"{{ {', '.join(_set_item(item, quoted) for item in items)} }}"
    if kind == "elem":
        return expression_text(body["val"], quoted)
    if kind == "map":
        return f"{expression_text(body['key'])} map {expression_text(body['data'])}"
    if kind in ("&", "|", "^", "<<", ">>"):
        first = expression_text(body[0], quoted)
        return f" {kind} ".join([first, *(expression_text(item, first) for item in body[1:])])
    if kind in ("jump", "goto"):
        return f"{kind} {body['target']}"
    if kind == "numgen":
        return f"numgen {body['mode']} mod {body['mod']}"
    if kind in ("jhash", "symhash"):
        inner = f" {expression_text(body['expr'])}" if "expr" in body else ""
        return f"{kind}{inner} mod {body['mod']}"
    if kind in ("exthdr", "tcp option", "socket", "rt"):
        return " ".join([kind, *map(str, body.values())])
    return kind if body is None else f"{kind} {body}"


def _set_item(item: Any, quoted: str) -> str:
    if isinstance(item, list) and len(item) == 2:
        return f"{expression_text(item[0], quoted)} : {expression_text(item[1])}"
    return expression_text(item, quoted)


def _nat(kind: str, body: dict[str, Any]) -> str:
    words = [kind]
    if family := body.get("family"):
        words.append(family)
    address = expression_text(body["addr"]) if "addr" in body else ""
    port = f":{expression_text(body['port'])}" if "port" in body else ""
    if address or port:
        words += ["to", f"[{address}]{port}" if port and ":" in address else f"{address}{port}"]
    if flags := body.get("flags"):
        words.append(_flags(flags))
    return " ".join(words)


def _limit(body: Any) -> str:
    if isinstance(body, str):
        return f'limit name "{body}"'
    over = "over " if body.get("inv") else ""
    unit = f" {body['rate_unit']}" if body.get("rate_unit", "packets") != "packets" else ""
    return f"limit rate {over}{body['rate']}{unit}/{body['per']}"


def _options(body: dict[str, Any]) -> list[str]:
    return [
        f'{name} "{value}"' if name == "prefix" else f"{name} {_flags(value)}"
        for name, value in body.items()
    ]


def _reject(body: Any) -> str:
    if not body:
        return "reject"
    if body == {"type": "icmpx", "expr": "port-unreachable"}:
        return "reject"
    if "expr" not in body:
        return f"reject with {body['type']}"
    return f"reject with {body['type']} {expression_text(body['expr'])}"


# As expression_text writes the left-hand sides whose values nft puts in quotes.
_NAMES = frozenset({"iif", "oif", "iifname", "oifname", "iifgroup", "ct helper"})
