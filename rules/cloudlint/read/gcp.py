"""Google's firewall rules in Terraform and the API's JSON, as they are written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rules.cloudlint.model import Group, Said
from rules.cloudlint.read.values import gathered, listed, literal, resources, span, word
from rules.parse.cloud import values

Read = tuple[tuple[Group, ...], dict[str, int]]
_FIELDS = {
    "name": "name", "description": "description", "direction": "direction",
    "priority": "priority", "disabled": "disabled", "source_ranges": "sourceRanges",
    "source_tags": "sourceTags", "source_service_accounts": "sourceServiceAccounts",
    "target_tags": "targetTags", "target_service_accounts": "targetServiceAccounts",
    "destination_ranges": "destinationRanges",
}  # fmt: skip


def rest(text: str, source: str) -> Read:
    """A list of Firewall resources, or an answer that has it under ``items``."""
    document = values.document(text, source)
    if isinstance(document, dict):
        document = document.get("items")
    rules: list[Said] = []
    for number, item in enumerate(values.sequence(document, source, "items")):
        said = values.mapping(item, source, f"[{number}]")
        rules += _said(f"[{number}] {said.get('name', '')}".rstrip(), said, source)
    return (Group(source, rules=tuple(rules)),), {}


def terraform(text: str, source: str) -> Read:
    """Resources ``google_compute_firewall``."""
    rules: list[Said] = []
    for one in resources(text, source):
        if one.kind != "google_compute_firewall":
            continue
        said = {_FIELDS[key]: value for key, value in one.values.items() if key in _FIELDS}
        for field, name in (("allow", "allowed"), ("deny", "denied")):
            blocks = [block for block in listed(one.values.get(field)) if isinstance(block, dict)]
            said[name] = [
                {"IPProtocol": block.get("protocol"), "ports": block.get("ports")}
                for block in blocks
            ]
        rules += _said(one.address, said, source)
    return (Group(source, rules=tuple(rules)),), {}


def _said(where: str, said: dict[str, Any], source: str) -> Iterator[Said]:
    """One for each protocol; a name is of the first alone, since the rule is one."""
    if literal(said.get("disabled")) is True:
        return
    sources, hidden = gathered(
        (
            ("network", said.get("sourceRanges")),
            ("tag", said.get("sourceTags")),
            ("account", said.get("sourceServiceAccounts")),
        )
    )
    targets, _ = gathered(
        (("tag", said.get("targetTags")), ("account", said.get("targetServiceAccounts")))
    )
    destinations, more = gathered((("network", said.get("destinationRanges")),))
    name = word(said.get("name"))
    for field in ("allowed", "denied"):
        for item in values.sequence(said.get(field), source, where):
            one = values.mapping(item, source, where)
            ports = [literal(port) for port in listed(one.get("ports"))]
            yield Said(
                where,
                name,
                word(said.get("description")),
                str(literal(said.get("direction")) or "INGRESS").upper() == "EGRESS",
                field == "denied",
                literal(one.get("IPProtocol")),
                tuple(span(port) for port in ports if port is not None),
                sources,
                targets,
                tuple(text for _, text in destinations),
                hidden + more,
                not sources and not hidden,
                literal(said.get("priority")),
            )
            name = None


FORMATS: dict[str, Callable[[str, str], Read]] = {"terraform": terraform, "json": rest}
