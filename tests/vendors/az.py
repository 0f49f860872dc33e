"""`az network nsg` and `az network asg` (https://learn.microsoft.com/cli/azure/network/nsg)."""

from __future__ import annotations

import argparse
import re
from typing import Any

from tests.vendors.store import CloudRefusal, State, fail, serve

WORDS = {
    "logged out": "ERROR: Please run 'az login' to setup account.",
    "throttled": "ERROR: (TooManyRequests) The request is being throttled as the limit has been "
    "reached for operation type - Write_ObservationWindow_00:05:00.",
    "lost": "ERROR: HTTPSConnectionPool(host='management.azure.com', port=443): Read timed out. "
    "(read timeout=300)",
    "unreached": "ERROR: <urllib3.connection.HTTPSConnection>: Failed to establish a new "
    "connection: [Errno -2] Name or service not known",
    "denied": "ERROR: (AuthorizationFailed) The client does not have authorization to perform "
    "action 'Microsoft.Network/networkSecurityGroups/securityRules/write'.",
}
_HOME = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        fail(f"ERROR: {message}\nhttps://aka.ms/cli_ref", 2)


def _leaf(verbs: Any, name: str, *, named: bool = True) -> argparse.ArgumentParser:
    one: argparse.ArgumentParser = verbs.add_parser(name, allow_abbrev=False)
    one.add_argument("--resource-group", "-g", required=True)
    one.add_argument("--output", "-o", choices=("json", "none"), default="json")
    one.add_argument("--only-show-errors", action="store_true")
    if named:
        one.add_argument("--name", "-n", required=True)
    return one


def parser() -> argparse.ArgumentParser:
    made = _Parser(prog="az", allow_abbrev=False)
    network = made.add_subparsers(required=True).add_parser("network", allow_abbrev=False)
    kinds = network.add_subparsers(required=True, dest="kind")
    for kind in ("nsg", "asg"):
        verbs = kinds.add_parser(kind, allow_abbrev=False).add_subparsers(
            required=True, dest="verb"
        )
        _leaf(verbs, "list", named=False)
        one = _leaf(verbs, "create")
        one.add_argument("--tags", nargs="*", default=[])
        one.add_argument("--location", "-l", default="westeurope")
        _leaf(verbs, "update").add_argument("--tags", nargs="*", default=[])
        if kind == "nsg":
            rules = verbs.add_parser("rule", allow_abbrev=False).add_subparsers(
                required=True, dest="rule_verb"
            )
            for name in ("create", "update", "delete"):
                one = _leaf(rules, name)
                one.add_argument("--nsg-name", required=True)
                if name != "delete":
                    one.add_argument("--description", default="")
                if name == "create":
                    one.add_argument("--priority", type=int, required=True)
                    one.add_argument("--direction", choices=("Inbound", "Outbound"))
                    one.add_argument("--access", choices=("Allow", "Deny"))
                    words = ("*", "Ah", "Esp", "Icmp", "Tcp", "Udp")
                    one.add_argument("--protocol", choices=words, default="*")
                    for side in ("source", "destination"):
                        one.add_argument(f"--{side}-port-ranges", nargs="+", default=["*"])
                        one.add_argument(f"--{side}-address-prefixes", nargs="+", default=["*"])
                        one.add_argument(f"--{side}-asgs", nargs="+")
    return made


def command(state: State, argv: list[str]) -> Any:
    said = parser().parse_args(argv)
    home = f"{_HOME}/{said.resource_group}/providers/Microsoft.Network"
    if said.verb == "list":
        return [state[said.kind][name] for name in sorted(state[said.kind])]
    if said.verb == "rule":
        return _rule(state, said, home)
    if said.verb == "update":
        if said.name not in state[said.kind]:
            raise CloudRefusal(f"ERROR: (ResourceNotFound) {said.name} was not found.")
        state[said.kind][said.name]["tags"] = _pairs(said.tags)
        return None
    kind = "networkSecurityGroups" if said.kind == "nsg" else "applicationSecurityGroups"
    # To create a group again takes away its rules.
    state[said.kind][said.name] = {
        "id": f"{home}/{kind}/{said.name}",
        "location": said.location,
        "name": said.name,
        "provisioningState": "Succeeded",
        "resourceGroup": said.resource_group,
        "tags": _pairs(said.tags),
        **({"securityRules": [], "defaultSecurityRules": _default()} if said.kind == "nsg" else {}),
    }
    return None


def _pairs(words: list[str]) -> dict[str, str]:
    """Tags in the shorthand of `az`, where a quote inside quotes is '/."""
    found = {}
    for word in words:
        said = re.fullmatch(r"('(?:[^']|'/)*'|[^'{}\[\]=@.]+)=('(?:[^']|'/)*'|[^'].*)", word)
        if said is None or said[2] == "null":
            fail(f"ERROR: Failed to parse '--tags' argument: {word}")
        key, text = (
            part[1:-1].replace("'/", "'") if part.startswith("'") else part
            for part in said.groups()
        )
        found[key] = text
    return found


def _rule(state: State, said: argparse.Namespace, home: str) -> Any:
    if said.nsg_name not in state["nsg"]:
        raise CloudRefusal(f"ERROR: (ParentResourceNotFound) {said.nsg_name} was not found.")
    rules = state["nsg"][said.nsg_name]["securityRules"]
    there = next((one for one in rules if one["name"].lower() == said.name.lower()), None)
    if said.rule_verb == "delete":
        # As az does: to delete what is not there is no error.
        rules[:] = [one for one in rules if one is not there]
        return None
    if said.rule_verb == "update":
        if there is None:
            raise CloudRefusal(f"ERROR: (ResourceNotFound) {said.name} was not found.")
        there["description"] = said.description
        return None
    for one in rules:
        same = (one["priority"], one["direction"]) == (said.priority, said.direction)
        if same and one is not there:
            raise CloudRefusal(
                f"ERROR: (SecurityRuleConflict) Rules {one['name']} and {said.name} cannot have "
                "the same Priority and Direction."
            )
    if len(said.description) > 140 or not 100 <= said.priority <= 4096 or len(said.name) > 80:
        raise CloudRefusal("ERROR: (InvalidParameter) the rule is not valid.")
    asgs = []
    for word in said.source_asgs or ():
        if not word.startswith("/") and word not in state["asg"]:
            raise CloudRefusal(f"ERROR: (InvalidResourceReference) {word} was not found.")
        asgs.append(word if word.startswith("/") else state["asg"][word]["id"])
    if len(asgs) > 1:
        raise CloudRefusal("ERROR: (InvalidRequest) a rule names one application security group.")
    made: dict[str, Any] = {
        "access": said.access,
        "description": said.description,
        "direction": said.direction,
        "id": f"{home}/networkSecurityGroups/{said.nsg_name}/securityRules/{said.name}",
        "name": said.name,
        "priority": said.priority,
        "protocol": said.protocol,
        "provisioningState": "Succeeded",
        "sourcePortRange": "*",
        **_either("destinationPortRange", said.destination_port_ranges),
        **_either("destinationAddressPrefix", said.destination_address_prefixes),
    }
    if asgs:
        made["sourceApplicationSecurityGroups"] = [{"id": one} for one in asgs]
    else:
        made |= _either("sourceAddressPrefix", said.source_address_prefixes)
    rules[:] = [one for one in rules if one is not there] + [made]
    return None


def _either(name: str, words: list[str]) -> dict[str, Any]:
    plural = f"{name}es" if name.endswith("x") else f"{name}s"
    if len(words) == 1:
        return {name: words[0], plural: []}
    return {plural: words}


def _default() -> list[dict[str, Any]]:
    common = {"direction": "Inbound", "destinationAddressPrefix": "*", "destinationPortRange": "*"}
    common |= {"protocol": "*", "sourcePortRange": "*"}
    return [
        {"name": name, "access": access, "priority": priority, "sourceAddressPrefix": source,
         **common}
        for name, access, priority, source in (
            ("AllowVnetInBound", "Allow", 65000, "VirtualNetwork"),
            ("AllowAzureLoadBalancerInBound", "Allow", 65001, "AzureLoadBalancer"),
            ("DenyAllInBound", "Deny", 65500, "*"),
        )
    ]  # fmt: skip


def main() -> None:
    serve({"nsg": {}, "asg": {}}, WORDS, command)
