"""What firewalld's elements match -> parts of rules. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from rules.parse import names
from rules.parse.firewalldwords import icmp_type
from rules.parse.firewalldxml import Element, IpSetFile, Rich, Service
from rules.ruleset import Action, Field, Key, Match, Rule, Test, Unsupported, Verdict

_FAMILIES = {4: 2, 6: 10}  # NFPROTO_IPV4, NFPROTO_IPV6
_ACTIONS = {"accept": Action.ACCEPT, "drop": Action.DROP, "reject": Action.REJECT}
_IGNORED = frozenset({"masquerade", "forward-port", "tcp-mss-clamp", "icmp-block-inversion"})


class Words:
    """The services and ipsets by name, for the rules that name them."""

    def __init__(self, services: Mapping[str, Service], ipsets: Mapping[str, IpSetFile]) -> None:
        self._services, self._ipsets = services, ipsets

    def rich(self, rule: Rich) -> Iterator[Rule]:
        """The rules of one rich rule: one for each family and each part of a service."""
        tag = rule.element[0] if rule.element is not None else ""
        action = _ACTIONS.get("reject" if tag == "icmp-block" else rule.action)
        if action is None or tag in _IGNORED:
            return
        for family in (rule.family,) if rule.family else (4, 6):
            source = self.side("saddr", rule.source, family)
            destination = self.side("daddr", rule.destination, family)
            if (rule.source and not source) or (rule.destination and not destination):
                continue
            first = (*source, *destination) or (_family(family),)
            odd = (Unsupported(rule.odd),) if rule.odd else ()
            if rule.element is None:
                yield Rule((*first, *odd, Verdict(action)), rule.text)
                continue
            for matches in self._matches(rule.element, family):
                yield Rule((*first, *matches, *odd, Verdict(action)), rule.text)

    def element(self, element: Element, action: Action, owner: str) -> Iterator[Rule]:
        """The rules of an element that stands in a zone or policy itself."""
        tag, attributes = element
        if tag in _IGNORED:
            return
        said = " ".join([tag, *(f'{key}="{value}"' for key, value in attributes.items())])
        for family in (4, 6):
            for matches in self._matches(element, family):
                yield Rule((_family(family), *matches, Verdict(action)), f"{owner}: {said}")

    def side(self, field: str, said: Mapping[str, str], family: int) -> tuple[Match, ...]:
        """The match of a source or destination; none where the family cannot meet it."""
        if not said:
            return ()
        negated = said.get("invert", said.get("NOT", "")).lower() in ("true", "yes", "1")
        key = Key(f"{'ip' if family == 4 else 'ip6'} {field}")
        if name := said.get("ipset"):
            found = self._ipsets.get(name)
            if found is None or found.odd:
                return (Unsupported(found.odd if found else f"ipset {name} (was not read)"),)
            if found.family != family:
                return ()
            return (Test(key, tuple(address_range(str(net)) for net in found.networks), negated),)
        if address := said.get("address"):
            if (":" in address) != (family == 6):
                return ()
            return (Test(key, (address_range(address),), negated),)
        return (Unsupported(" ".join(f'{word}="{value}"' for word, value in said.items())),)

    def _matches(self, element: Element, family: int) -> Iterator[tuple[Match, ...]]:
        """Each way in which a packet of the family can be what the element names."""
        tag, attributes = element
        if tag == "service":
            yield from self._service(attributes.get("name", ""), family, set())
        elif tag in ("icmp-type", "icmp-block"):
            found = icmp_type(family, attributes.get("name", ""))
            if found is not None:
                yield _icmp(family, *found)
        else:
            yield (_simple(tag, attributes),)

    def _service(self, name: str, family: int, seen: set[str]) -> Iterator[tuple[Match, ...]]:
        service = self._services.get(name)
        if service is None:
            yield (Unsupported(f"service {name} (was not read)"),)
            return
        if name in seen:
            return
        seen.add(name)
        said = service.destinations.get(f"ipv{family}")
        if service.destinations and said is None:
            return
        to = self.side("daddr", {"address": said}, family) if said else ()
        for tag, attributes in service.elements:
            yield (*to, _simple(tag, attributes))
        for included in service.includes:
            yield from self._service(included, family, seen)


def _simple(tag: str, attributes: Mapping[str, str]) -> Match:
    protocol, ports = attributes.get("protocol", ""), attributes.get("port", "")
    if tag == "protocol" or (tag == "port" and not ports):
        word = attributes.get("value", protocol)
        number = int(word) if word.isdigit() else names.PROTOCOLS.get(word)
        if number is not None:
            return Test(Key("meta l4proto"), ((number, number),))
    elif tag in ("port", "source-port") and protocol in names.PORT_PROTOCOLS:
        first, _, last = ports.partition("-")
        if first.isdigit() and (last or first).isdigit():
            side = "dport" if tag == "port" else "sport"
            return Test(Key(f"{protocol} {side}"), ((int(first), int(last or first)),))
    return Unsupported(" ".join([tag, *(f'{key}="{value}"' for key, value in attributes.items())]))


def _family(family: int) -> Test:
    return Test(Key("meta nfproto"), ((_FAMILIES[family], _FAMILIES[family]),))


def _icmp(family: int, kind: int, code: int | None) -> tuple[Match, ...]:
    protocol = "icmp" if family == 4 else "icmpv6"
    type_ = Test(Key(f"{protocol} type"), ((kind, kind),))
    return (type_,) if code is None else (type_, Test(Key(f"{protocol} code"), ((code, code),)))


def address_range(text: str) -> Field:
    """A network or address -> its first and last address as numbers."""
    network = ip_network(text, strict=False)
    first = int(network.network_address)
    return (first, first + network.num_addresses - 1)
