"""VPC firewall rules of Google in Terraform, scripts of ours and the API's JSON. Pure.

A group is a target tag; rules without one are of ``EVERYBODY``. Disabled rules and rules for what
leaves let in nothing. A rule that denies is an error: what is left then depends on its order, and
is not compared.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_network
from typing import Any

from rules.cloud.found import EVERYBODY, FoundGroup
from rules.cloud.peer import Peer, named_peer, network_peer
from rules.cloud.rule import Place, Rule
from rules.errors import ConfigError
from rules.intervals import Interval
from rules.parse.cloud import hcl, values

_CALL = re.compile(r"rule (.*)")


def rest(text: str, source: str) -> tuple[FoundGroup, ...]:
    """What `gcloud compute firewall-rules list --format=json` or the API prints."""
    return described(values.document(text, source), source)


def described(document: Any, source: str) -> tuple[FoundGroup, ...]:
    """A list of Firewall resources, or an answer that has it under ``items``."""
    if isinstance(document, dict):
        document = document.get("items")
    listed = values.sequence(document, source, "items")
    named = (
        (str(values.mapping(item, source, "").get("name", f"[{number}]")), item)
        for number, item in enumerate(listed)
    )
    return _found(named, source)


def terraform(text: str, source: str) -> tuple[FoundGroup, ...]:
    """Resources ``google_compute_firewall``, in HCL or JSON."""
    found = hcl.read(text, source)
    fields = {
        "source_tags": "sourceTags", "source_ranges": "sourceRanges", "target_tags": "targetTags",
        "destination_ranges": "destinationRanges", "direction": "direction",
        "disabled": "disabled", "source_service_accounts": "sourceServiceAccounts",
        "target_service_accounts": "targetServiceAccounts",
    }  # fmt: skip
    made: list[tuple[str, dict[str, Any]]] = []
    for one in found:
        if one.kind == "google_compute_firewall":
            item = {fields[key]: value for key, value in one.values.items() if key in fields}
            for field, name in (("allow", "allowed"), ("deny", "denied")):
                blocks = one.values.get(field, [])
                item[name] = [
                    {"IPProtocol": block.get("protocol"), "ports": block.get("ports")}
                    for block in (blocks if isinstance(blocks, list) else [blocks])
                ]
            made.append((one.address, item))
    return _found(made, source)


def script(text: str, source: str) -> tuple[FoundGroup, ...]:
    """A script that ``rules.render.cloud.gcp`` wrote; of other commands nothing is known. Raises
    ConfigError with the line."""
    made: list[tuple[str, dict[str, Any]]] = []
    fields = {
        "source-tags": "sourceTags", "source-ranges": "sourceRanges", "target-tags": "targetTags",
        "destination-ranges": "destinationRanges",
        "source-service-accounts": "sourceServiceAccounts",
        "target-service-accounts": "targetServiceAccounts",
    }  # fmt: skip
    for line, content in enumerate(text.splitlines(), 1):
        if not (match := _CALL.fullmatch(content)):
            continue
        try:
            name, *flags = shlex.split(match[1])
        except ValueError as error:
            raise ConfigError(source, f"is no line of shell: {error}", line=line) from None
        said = dict(flag[2:].partition("=")[::2] for flag in flags)
        item: dict[str, Any] = {
            field: said[flag].split(",") for flag, field in fields.items() if flag in said
        }
        item["allowed"] = [
            {"IPProtocol": protocol, "ports": [ports] if ports else None}
            for protocol, _, ports in (word.partition(":") for word in said["rules"].split(","))
        ]
        made.append((name, item))
    return _found(made, source)


def _found(items: Iterable[tuple[str, Any]], source: str) -> tuple[FoundGroup, ...]:
    """(place in the text, Firewall resource) -> the groups of all target tags."""
    groups: dict[str, list[Rule]] = {}
    for where, item in items:
        said = values.mapping(item, source, where)
        for name in _targets(said, source, where):
            groups.setdefault(name, []).extend(_rules(said, name, source, where))
    return tuple(FoundGroup(name, ingress=tuple(made)) for name, made in groups.items())


def _targets(said: dict[str, Any], source: str, where: str) -> list[str]:
    for field in ("targetServiceAccounts", "targetTags"):
        if words := values.sequence(said.get(field), source, where):
            return [str(word) for word in words]
    return [EVERYBODY]


def _rules(said: dict[str, Any], receiver: str, source: str, where: str) -> Iterator[Rule]:
    if said.get("disabled") is True or said.get("direction", "INGRESS") != "INGRESS":
        return
    if said.get("denied"):
        raise values.NotComparable(source, "denies, and what is left is not compared", key=where)
    destinations = [
        values.network(word, source, where)
        for word in values.sequence(said.get("destinationRanges"), source, where)
    ]
    place = Place.PODS if destinations else Place.NODE
    families = tuple(sorted({network.version for network in destinations})) or (4, 6)
    for item in values.sequence(said.get("allowed"), source, where):
        item = values.mapping(item, source, where)
        number = values.protocol(item.get("IPProtocol"), source, where)
        words = values.sequence(item.get("ports"), source, where)
        ports: list[Interval | None] = [
            values.ports(str(word), number, source, where) for word in words
        ]
        for peer in _peers(said, source, where):
            for one in ports or [None]:
                known = (peer.family,) if peer.family else families
                yield Rule(receiver, place, known, peer, number, one, where=where)


def _peers(said: dict[str, Any], source: str, where: str) -> list[Peer]:
    peers = [
        network_peer(values.network(word, source, where))
        for word in values.sequence(said.get("sourceRanges"), source, where)
    ]
    for field in ("sourceTags", "sourceServiceAccounts"):
        peers += [named_peer(str(word)) for word in values.sequence(said.get(field), source, where)]
    # Nobody named is everybody.
    return peers or [network_peer(ip_network("0.0.0.0/0"))]


FORMATS: dict[str, Callable[[str, str], tuple[FoundGroup, ...]]] = {
    "terraform": terraform,
    "cli": script,
    "json": rest,
}
