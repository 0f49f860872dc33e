"""Security rules of Azure as `az` lists them -> things. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

from rules.cloudapply.things import MARK, Thing, content

KIND = "security rule"


def inbound(group: dict[str, Any]) -> list[dict[str, Any]]:
    """The inbound rules of a group as `az` lists it; Azure's own default ones are apart."""
    return [
        item
        for item in group.get("securityRules") or ()
        if str(item.get("direction", "")).lower() == "inbound"
    ]


def living(group: str, item: dict[str, Any]) -> Thing:
    """A rule that is there."""
    access = str(item.get("access", "")).capitalize()
    found: dict[str, object] = {
        "access": access,
        "protocol": str(item.get("protocol", "*")).capitalize(),
        "ports": ports(_list(item, "destinationPortRange")),
        "destinations": sorted(
            [prefix(text) for text in _list(item, "destinationAddressPrefix")]
            + [f"asg {name}" for name in _asgs(item, "destination")]
        ),
    }
    if asgs := _asgs(item, "source"):
        found["asgs"] = sorted(asgs)
    else:
        found["sources"] = sorted(map(prefix, _list(item, "sourceAddressPrefix")))
    if (found_ports := _list(item, "sourcePortRange")) not in ([], ["*"]):
        found["source_ports"] = ports(found_ports)
    if access == "Deny":
        found["priority"] = int(item["priority"])
    about = str(item.get("description") or "")
    own = about.startswith(MARK)
    name = str(item.get("name"))
    return Thing(KIND, group, name, content(found), about, own=own, denies=access == "Deny")


def _asgs(item: dict[str, Any], side: str) -> list[str]:
    """The application security groups of a rule: ours by their names, others by their ids."""
    # Azure tells no capital letters from small ones.
    asgs = item.get(f"{side}ApplicationSecurityGroups") or ()
    ids = [str(one.get("id")).lower() for one in asgs]
    home = str(item.get("id", "")).lower().split("/networksecuritygroups/")[0]
    return [
        one.rpartition("/")[2]
        if not home or one.startswith(f"{home}/applicationsecuritygroups/")
        else one
        for one in ids
    ]


def _list(item: dict[str, Any], name: str) -> list[str]:
    plural = f"{name}es" if name.endswith("x") else f"{name}s"
    single = item.get(name)
    return [str(text) for text in item.get(plural) or ([single] if single else [])]


def ports(words: Iterable[str]) -> list[str]:
    """Ranges of ports in one order and one way of writing."""

    def place(text: str) -> tuple[int, str]:
        first = text.partition("-")[0]
        return (int(first) if first.isascii() and first.isdigit() else -1, text)

    return sorted(("*" if text == "0-65535" else text for text in words), key=place)


def prefix(text: str) -> str:
    """A network in one way of writing; a service tag as it is."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return text
