"""Documents as they are written -> what they say, without believing it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from rules.cloud.found import FoundGroup
from rules.cloud.peer import Kind
from rules.cloud.rule import NAMES
from rules.cloudlint.model import PROTOCOL_NAMES, Document, Group, Said
from rules.parse.cloud import parse
from rules.parse.cloud.detect import Text

# Cluster API's resources are of these clouds.
_PROVIDERS = {"capa": "aws", "capg": "gcp", "capz": "azure"}
_EVERY = {"aws": "-1", "gcp": "all", "azure": "*", "openstack": "any"}


def read(text: Text, quotas: Mapping[str, int] | None = None) -> Document:
    """What a text says. Raises ConfigError for one that has not the form of its kind.

    Scripts of ours, Bicep and Cluster API's resources are read by the parsers that compare, which
    believe nothing either: what they cannot read is an error.
    """
    cloud = _PROVIDERS.get(text.cloud, text.cloud)
    module = import_module(f"rules.cloudlint.read.{cloud}")
    whole = text.form in module.FORMATS
    if whole:
        groups, lists = module.FORMATS[text.form](text.text, text.source)
    else:
        found = parse(text.cloud, text.form, text.text, text.source)
        groups, lists = tuple(_group(one, cloud) for one in found), {}
    return Document(
        cloud, text.form, text.source, groups, lists, dict(quotas or {}), rules_alone=not whole
    )


def _group(found: FoundGroup, cloud: str) -> Group:
    """Not ``here``: of what such a file says of a group itself, nothing is judged."""
    rules: list[Said] = []
    for egress, listed in ((False, found.ingress), (True, found.egress)):
        for rule in listed:
            kind = "network" if rule.peer.kind is Kind.NETWORK else "group"
            if rule.peer.name.startswith("pl-"):
                kind = "list"
            family = str(rule.families[0]) if cloud == "openstack" else None
            rules.append(
                Said(
                    rule.where or found.name,
                    egress=egress,
                    protocol=_word(rule.protocol, cloud),
                    ports=((rule.ports[0], rule.ports[1]),) if rule.ports else (),
                    sources=((kind, str(rule.peer)),),
                    family=family,
                )
            )
    # Whoever carries two groups has a rule of both twice.
    return Group(found.name, found.name, rules=tuple(dict.fromkeys(rules)), here=False)


def _word(number: int | None, cloud: str) -> str:
    if number is None:
        return _EVERY[cloud]
    name = NAMES.get(number, "")
    return name if name in PROTOCOL_NAMES[cloud] else str(number)
