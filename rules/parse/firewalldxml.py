"""firewalld's XML -> what it says, in no order of evaluation yet. Pure.

Source: firewalld.zone(5), firewalld.policy(5), firewalld.service(5), firewalld.ipset(5).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from ipaddress import ip_network

from rules.cluster import IPNetwork
from rules.errors import ConfigError
from rules.record import field, record

ANY, HOST = "ANY", "HOST"
# A tag and its attributes.
Element = tuple[str, Mapping[str, str]]
_ACTIONS = ("accept", "reject", "drop", "mark")
_SIDES = ("source", "destination")
# Children of zones, policies and services that say nothing about what passes.
_WORDS = frozenset({"short", "description"})


@record
class Rich:
    """A rich rule. ``family`` 4, 6 or 0 for both; ``element`` None: every packet.

    ``odd``: what makes it hang on more than addresses and ports, empty where nothing does.
    """

    family: int = 0
    source: Mapping[str, str] = field(default_factory=dict)
    destination: Mapping[str, str] = field(default_factory=dict)
    element: Element | None = None
    action: str = ""
    priority: int = 0
    odd: str = ""
    text: str = ""


@record
class Zone:
    """A zone, or a policy (then with ``ingress``, ``egress`` and ``priority``)."""

    name: str
    target: str
    elements: tuple[Element, ...] = ()
    rules: tuple[Rich, ...] = ()
    sources: tuple[Mapping[str, str], ...] = ()
    interfaces: tuple[str, ...] = ()
    ingress: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()
    priority: int = 0


@record
class Service:
    """What a service stands for: elements (port, protocol, source-port), and where to."""

    name: str
    elements: tuple[Element, ...] = ()
    destinations: Mapping[str, str] = field(default_factory=dict)
    includes: tuple[str, ...] = ()


@record
class IpSetFile:
    """``networks`` of a hash:net or hash:ip set; ``odd`` says why they cannot be told."""

    name: str
    family: int
    networks: tuple[IPNetwork, ...] = ()
    odd: str = ""


def root(text: str, source: str, tag: str) -> ET.Element:
    """The root element of a file, which must be a ``tag``. Raises ConfigError."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ConfigError(source, "declares entities, which no file of firewalld does")
    try:
        found = ET.fromstring(text)  # noqa: S314 - without entities there is nothing to expand
    except ET.ParseError as error:
        raise ConfigError(source, f"is not XML: {error}") from None
    if found.tag != tag:
        raise ConfigError(source, f"is a <{found.tag}>, not a <{tag}>")
    return found


def read_zone(name: str, text: str, source: str, tag: str = "zone") -> Zone:
    """A zone's or (``tag`` policy) a policy's file."""
    element = root(text, source, tag)
    default = "CONTINUE" if tag == "policy" else "default"
    children = [child for child in element if child.tag not in _WORDS]
    own = {"rule", "source", "interface", "ingress-zone", "egress-zone"}

    def named(kind: str) -> tuple[str, ...]:
        return tuple(child.get("name", "") for child in children if child.tag == kind)

    return Zone(
        name=name,
        target=element.get("target", default),
        elements=tuple(
            (child.tag, dict(child.attrib)) for child in children if child.tag not in own
        ),
        rules=tuple(_rich(child) for child in children if child.tag == "rule"),
        sources=tuple(dict(child.attrib) for child in children if child.tag == "source"),
        interfaces=named("interface"),
        ingress=named("ingress-zone"),
        egress=named("egress-zone"),
        priority=_number(element.get("priority", "0"), source),
    )


def read_service(name: str, text: str, source: str) -> Service:
    """A service's file."""
    element = root(text, source, "service")
    destinations: dict[str, str] = {}
    for child in element.iter("destination"):
        destinations.update(child.attrib)
    kinds = ("port", "protocol", "source-port")
    return Service(
        name,
        tuple((child.tag, dict(child.attrib)) for child in element if child.tag in kinds),
        destinations,
        tuple(child.get("service", "") for child in element.iter("include")),
    )


def read_ipset(name: str, text: str, source: str) -> IpSetFile:
    """An ipset's file. Raises ConfigError where it is none."""
    element = root(text, source, "ipset")
    options = {child.get("name"): child.get("value", "") for child in element.iter("option")}
    family = 6 if options.get("family") == "inet6" else 4
    kind = element.get("type", "")
    if kind not in ("hash:net", "hash:ip") or "timeout" in options:
        return IpSetFile(name, family, odd=f"ipset {name} is a {kind or 'set'} that changes")
    try:
        networks = tuple(
            ip_network((child.text or "").strip(), strict=False) for child in element.iter("entry")
        )
    except ValueError as error:
        raise ConfigError(source, str(error)) from None
    return IpSetFile(name, family, networks)


def _rich(element: ET.Element) -> Rich:
    sides: dict[str, dict[str, str]] = {side: {} for side in _SIDES}
    found: Element | None = None
    action, odd = "", ""
    for child in element:
        if child.tag in _SIDES:
            sides[child.tag] = dict(child.attrib)
        elif child.tag in _ACTIONS:
            action = child.tag
            if child.find("limit") is not None:
                odd = "a limit"
        elif child.tag not in ("log", "nflog", "audit"):
            found = (child.tag, dict(child.attrib))
    family = {"ipv4": 4, "ipv6": 6}.get(element.get("family", ""), 0)
    text = "".join(ET.tostring(element, encoding="unicode").split("\n"))
    return Rich(
        family=family,
        source=sides["source"],
        destination=sides["destination"],
        element=found,
        action=action,
        priority=_number(element.get("priority", "0"), "rule"),
        odd=odd,
        text=" ".join(text.split()),
    )


def _number(text: str, source: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(source, f"{text[:40]!r} is not a priority") from None
