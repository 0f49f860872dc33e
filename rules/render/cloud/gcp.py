"""VPC firewall rules of Google: Terraform, a script for `gcloud`, and the API's own JSON. Pure.

A role's machines carry its network tag. JSON is built as data and written by ``json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rules.cloud.bundle import Bundle
from rules.cloud.document import CloudRules, describe_flows
from rules.cloud.gcp import word
from rules.cloud.peer import Kind
from rules.cloud.rule import Place
from rules.render.cloud.hcl import Block, Expression, provider, variable
from rules.render.templating import fill, slug

# Names that the API takes; every other protocol goes by its number.
NAMES = {6: "tcp", 17: "udp", 1: "icmp", 50: "esp", 51: "ah", 4: "ipip", 132: "sctp", None: "all"}
PRIORITY = 1000


def firewalls(rules: CloudRules) -> Iterator[dict[str, Any]]:
    """The Firewall resources of the compute API."""
    kind = "ServiceAccounts" if rules.options.accounts else "Tags"
    taken: set[str] = set()
    for group in rules.groups:
        for one in group.bundles:
            for family in _families(one, rules):
                stem = f"{group.name}-{one.flows[0]}" if one.flows else group.name
                made: dict[str, Any] = {
                    # Room for a number behind it: 63 characters are a name.
                    "name": slug(stem, taken, most=58),
                    "description": describe_flows(one.flows, 250),
                    "direction": "INGRESS",
                    "priority": PRIORITY,
                    f"target{kind}": [word(group.role, rules)],
                    "allowed": allowed(one, NAMES),
                }
                if rules.options.network:
                    made["network"] = _network(rules.options.network)
                if one.references:
                    made[f"source{kind}"] = [
                        word(peer.name, rules) if peer.kind is Kind.ROLE else peer.name
                        for peer in one.peers
                    ]
                else:
                    made["sourceRanges"] = [str(peer.network) for peer in one.peers]
                if one.place is Place.PODS:
                    made["destinationRanges"] = [
                        str(net) for net in rules.plan.cluster.pod_subnets if net.version == family
                    ]
                yield made


def _families(one: Bundle, rules: CloudRules) -> tuple[int, ...]:
    """A rule to pods is one for each family, since their addresses cannot be mixed."""
    if one.family or one.place is Place.NODE:
        return (one.family,)
    return tuple(sorted({net.version for net in rules.plan.cluster.pod_subnets}))


def allowed(one: Bundle, words: Mapping[int | None, str]) -> list[dict[str, Any]]:
    """What a firewall rule lets in; ``words`` name protocols, the others go by their number."""
    made: list[dict[str, Any]] = []
    for protocol in one.protocols:
        item: dict[str, Any] = {"IPProtocol": words.get(protocol, str(protocol))}
        if ports := one.ports(protocol):
            item["ports"] = list(ports)
        made.append(item)
    return made


def _network(name: str) -> str:
    return name if "/" in name else f"global/networks/{name}"


def rest(rules: CloudRules) -> dict[str, str]:
    """A list of resources, as `gcloud compute firewall-rules list --format=json` prints it."""
    return {"nodeprep-gcp.json": json.dumps(list(firewalls(rules)), indent=2) + "\n"}


def terraform(rules: CloudRules) -> dict[str, str]:
    """One file for Terraform or OpenTofu with Google's provider."""
    network: Any = rules.options.network or Expression("var.network")
    blocks = [provider("google", "hashicorp/google", "5.0")]
    if not rules.options.network:
        blocks.append(variable("network", "The network of the rules."))
    blocks += [_resource(one, network, rules.options.scope) for one in firewalls(rules)]
    text = fill("cloud/terraform.tf.j2", remarks=rules.remarks, blocks=blocks)
    return {"nodeprep-gcp.tf": text}


def _resource(one: dict[str, Any], network: Any, project: str) -> Block:
    permitted = (
        Block("allow", (), (("protocol", item["IPProtocol"]), ("ports", item.get("ports"))))
        for item in one["allowed"]
    )
    return Block(
        "resource",
        ("google_compute_firewall", one["name"].replace("-", "_")),
        (
            ("name", one["name"]),
            ("description", one["description"]),
            ("project", project or None),
            ("network", network),
            ("direction", "INGRESS"),
            ("priority", PRIORITY),
            ("source_tags", one.get("sourceTags")),
            ("source_service_accounts", one.get("sourceServiceAccounts")),
            ("source_ranges", one.get("sourceRanges")),
            ("destination_ranges", one.get("destinationRanges")),
            ("target_tags", one.get("targetTags")),
            ("target_service_accounts", one.get("targetServiceAccounts")),
            *permitted,
        ),
    )


def script(rules: CloudRules) -> dict[str, str]:
    """A script of bash for the `gcloud` command."""
    listed: list[tuple[str, list[str]]] = []
    for one in firewalls(rules):
        flags = {
            "description": one["description"],
            "rules": ",".join(_words(one["allowed"])),
            "source-tags": ",".join(one.get("sourceTags", [])),
            "source-service-accounts": ",".join(one.get("sourceServiceAccounts", [])),
            "source-ranges": ",".join(one.get("sourceRanges", [])),
            "destination-ranges": ",".join(one.get("destinationRanges", [])),
            "target-tags": ",".join(one.get("targetTags", [])),
            "target-service-accounts": ",".join(one.get("targetServiceAccounts", [])),
        }
        listed.append((one["name"], [f"--{key}={text}" for key, text in flags.items() if text]))
    text = fill("cloud/gcp.sh.j2", rules=rules, listed=listed, priority=PRIORITY)
    return {"nodeprep-gcp.sh": text}


def _words(listed: list[dict[str, Any]]) -> Iterator[str]:
    for item in listed:
        if "ports" not in item:
            yield item["IPProtocol"]
        for ports in item.get("ports", []):
            yield f"{item['IPProtocol']}:{ports}"


FORMATS: dict[str, Callable[[CloudRules], dict[str, str]]] = {
    "terraform": terraform,
    "cli": script,
    "json": rest,
}
