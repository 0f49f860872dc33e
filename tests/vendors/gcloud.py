"""`gcloud compute firewall-rules` (https://cloud.google.com/sdk/gcloud/reference/compute)."""

from __future__ import annotations

import argparse
import re
from ipaddress import ip_network
from typing import Any

from tests.vendors.store import CloudRefusal, State, fail, serve

PROJECT = "https://www.googleapis.com/compute/v1/projects/lab-123456/global"
WORDS = {
    "logged out": "ERROR: (gcloud.compute.firewall-rules.list) You do not currently have an active "
    "account selected.\nPlease run:\n\n  $ gcloud auth login\n\nto obtain new credentials.",
    "throttled": "ERROR: (gcloud.compute.firewall-rules.x) Could not fetch resource:\n"
    " - Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'",
    "lost": "ERROR: gcloud crashed (ReadTimeout): HTTPSConnectionPool: Read timed out.",
    "unreached": "ERROR: gcloud crashed (TransportError): Failed to establish a new "
    "connection: Name or service not known",
    "denied": "ERROR: (gcloud.compute.firewall-rules.x) Could not fetch resource:\n"
    " - Required 'compute.firewalls.create' permission for 'projects/lab-123456'",
}
_LISTS = (
    "source-ranges", "destination-ranges", "source-tags", "target-tags",
    "source-service-accounts", "target-service-accounts",
)  # fmt: skip


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        fail(f"ERROR: (gcloud) {message}", 2)


def parser() -> argparse.ArgumentParser:
    made = _Parser(prog="gcloud", allow_abbrev=False)
    service = made.add_subparsers(required=True).add_parser("compute", allow_abbrev=False)
    rules = service.add_subparsers(required=True).add_parser("firewall-rules", allow_abbrev=False)
    verbs = rules.add_subparsers(required=True, dest="verb")
    for verb in ("list", "create", "update", "delete"):
        one = verbs.add_parser(verb, allow_abbrev=False)
        one.add_argument("--project")
        one.add_argument("--format", choices=("json",))
        one.add_argument("--quiet", action="store_true")
        if verb != "list":
            one.add_argument("name")
        if verb in ("create", "update"):
            one.add_argument("--description")
        if verb == "create":
            one.add_argument("--network", default="default")
            one.add_argument("--direction", choices=("INGRESS", "EGRESS"), default="INGRESS")
            one.add_argument("--action", choices=("ALLOW", "DENY"), required=True)
            one.add_argument("--rules", required=True)
            one.add_argument("--priority", type=int, default=1000)
            for name in _LISTS:
                one.add_argument(f"--{name}")
    return made


def command(state: State, argv: list[str]) -> Any:
    said = parser().parse_args(argv)
    rules = state["firewalls"]
    if said.verb == "list":
        return [rules[name] for name in sorted(rules)]
    missing = f"The resource 'projects/lab-123456/global/firewalls/{said.name}'"
    if said.verb == "create":
        if said.name in rules:
            raise CloudRefusal(f"ERROR: could not create:\n - {missing} already exists")
        rules[said.name] = made = _firewall(said)
        return [made]
    if said.name not in rules:
        raise CloudRefusal(f"ERROR: could not {said.verb}:\n - {missing} was not found")
    if said.verb == "update":
        rules[said.name]["description"] = said.description
        return rules[said.name]
    del rules[said.name]
    return None


def _firewall(said: argparse.Namespace) -> dict[str, Any]:
    def refuse(why: str) -> CloudRefusal:
        return CloudRefusal(f"ERROR: could not create:\n - Invalid value for field '{why}'")

    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", said.name):
        raise refuse(f"resource.name': '{said.name}")
    listed = {name: getattr(said, name.replace("-", "_")) for name in _LISTS}
    found = {name: text.split(",") for name, text in listed.items() if text}
    if {"source-tags", "source-service-accounts"} <= found.keys():
        raise refuse("resource.sourceTags")
    for name in ("source-ranges", "destination-ranges"):
        if len({ip_network(text).version for text in found.get(name, ())}) > 1:
            raise refuse(f"resource.{name}': both families")
    opened: dict[str, dict[str, Any]] = {}
    for word in said.rules.split(","):
        protocol, _, ports = word.partition(":")
        item = opened.setdefault(protocol, {"IPProtocol": protocol})
        if ports:
            if protocol not in ("tcp", "udp", "sctp"):
                raise refuse(f"resource.allowed: ports of {protocol}")
            item.setdefault("ports", []).append(ports)
    if not {"source-ranges", "source-tags", "source-service-accounts"} & found.keys():
        found["source-ranges"] = ["0.0.0.0/0"]
    return {
        "creationTimestamp": "2026-01-01T00:00:00.000-08:00",
        "description": said.description or "",
        "direction": said.direction,
        "disabled": False,
        "id": "1234567890",
        "kind": "compute#firewall",
        "logConfig": {"enable": False},
        "name": said.name,
        "network": f"{PROJECT}/networks/{said.network}",
        "priority": said.priority,
        "selfLink": f"{PROJECT}/firewalls/{said.name}",
        "allowed" if said.action == "ALLOW" else "denied": list(opened.values()),
        **{_camel(name): words for name, words in found.items()},
    }


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)


def main() -> None:
    serve({"firewalls": {}}, WORDS, command)
