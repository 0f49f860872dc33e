"""What Neutron refuses of security groups, or takes otherwise than it looks. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rules.cloud.openstack import DEFAULT_RULES, DESCRIPTION_LENGTH, QUOTAS
from rules.cloudlint.model import ERROR, Document, Place, network
from rules.cloudlint.registry import lint

_API = "https://docs.openstack.org/api-ref/network/v2/#security-group-rules-security-group-rules"
_QUOTAS = "https://docs.openstack.org/neutron/latest/admin/ops-quotas.html"


@lint("openstack-text", "openstack", ERROR, "A name or description that is too long", _API)
def text(document: Document) -> Iterator[Place]:
    """Up to 255 characters."""
    for group in document.groups:
        items = [(group.where, group.name), (group.where, group.description)]
        items += [(rule.where, rule.description) for rule in group.rules]
        for where, said in items:
            if said is not None and len(said) > DESCRIPTION_LENGTH:
                yield where, f"{len(said)} characters, and {DESCRIPTION_LENGTH} are taken"


@lint("openstack-family", "openstack", ERROR, "An ether type and a network that differ", _API)
def family(document: Document) -> Iterator[Place]:
    """IPv4 unless it says IPv6."""
    for rule in document.rules:
        if rule.family not in ("4", "6"):
            yield rule.where, f"no ether type is called {rule.family!r}; there are IPv4 and IPv6"
            continue
        for said in rule.texts:
            found = network(said)
            if found is not None and str(found.version) != rule.family:
                yield rule.where, f"{said} in a rule of IPv{rule.family}"


@lint("openstack-ports", "openstack", ERROR, "Ports without a protocol that has some", _API)
def ports(document: Document) -> Iterator[Place]:
    """Neutron refuses a range where the protocol is absent, or has no ports."""
    for rule in document.rules:
        every = rule.protocol is None or rule.every_protocol
        known = every or rule.number is not None
        if rule.ports and known and rule.number not in (1, 6, 17, 33, 58, 132, 136):
            yield rule.where, f"{rule.protocol or 'every protocol'} has no ports"


@lint("openstack-quota", "openstack", ERROR, "More than a project holds", _QUOTAS)
def quota(document: Document) -> Iterator[Place]:
    """10 groups and 100 rules, with the two that Neutron puts into each new group."""
    here = [group for group in document.groups if group.here]
    made = 0 if document.form == "json" else DEFAULT_RULES * len(here)
    used = {"groups": len(here), "rules": len(document.rules) + made}
    for what, number in used.items():
        most = document.quota(what, QUOTAS[what])
        if number > most:
            yield document.source, f"{number} security {what}, and a project has {most}"
