"""A rule of ours at the top of a chain of nft that somebody else made, known by its comment."""

from __future__ import annotations

import json
from typing import Any

from rules.errors import CommandError
from rules.run import run

NOTE = "nodeprep-pods"
_TIMEOUT_S = 20.0


def read(name: str) -> str | None:
    """``FAMILY TABLE CHAIN RULE`` -> ``present``; None where the rule, or its chain, is not."""
    return "present" if _handles(name) else None


def write(name: str, state: str | None) -> None:
    """Inserts the rule, or deletes it wherever it stands in the chain. Raises CommandError."""
    chain, rule = parts(name)
    handles = _handles(name)
    if state is not None and not handles:
        _nft("insert", "rule", *chain, *rule, "accept", "comment", f'"{NOTE}"')
    if state is None:
        for handle in handles:
            _nft("delete", "rule", *chain, "handle", str(handle))


def parts(name: str) -> tuple[list[str], list[str]]:
    """The words of the chain, and those of the rule's match."""
    words = name.split(" ")
    return words[:3], words[3:]


def _handles(name: str) -> list[int]:
    chain, (family, side, prefix) = parts(name)
    try:
        done = _nft("-j", "list", "chain", *chain)
    except CommandError as error:
        if error.reason == "absent" or "No such file" in str(error):
            return []
        raise
    try:
        rules = [item["rule"] for item in json.loads(done)["nftables"] if "rule" in item]
        return [int(rule["handle"]) for rule in rules if _is_ours(rule, family, side, prefix)]
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(
            "failed", f"nft printed no rules of {' '.join(chain)}: {error}"
        ) from None


def _is_ours(rule: dict[str, Any], family: str, side: str, prefix: str) -> bool:
    if rule.get("comment") != NOTE:
        return False
    match = rule["expr"][0].get("match", {})
    field, said = match.get("left", {}).get("payload", {}), match.get("right")
    if isinstance(said, dict):
        said = f"{said['prefix']['addr']}/{said['prefix']['len']}"
    return (field.get("protocol"), field.get("field"), said) == (family, side, prefix)


def _nft(*words: str) -> str:
    return run(["nft", *words], timeout_s=_TIMEOUT_S).stdout
