"""firewalld's own files -> the ruleset that its nftables backend makes of them. Pure.

Source: src/firewall/core/nftables.py of firewalld 1.3: the order of chains in ``inet firewalld``.
Only INPUT and FORWARD, and only what decides there; zones that are bound to nothing are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rules.parse import names
from rules.parse.firewalldparts import Words, address_range
from rules.parse.firewalldxml import (
    ANY,
    HOST,
    IpSetFile,
    Service,
    Zone,
    read_ipset,
    read_service,
    read_zone,
)
from rules.ruleset import (
    Action,
    Base,
    Chain,
    Key,
    Part,
    Rule,
    Ruleset,
    Statement,
    Table,
    Test,
    Unsupported,
    Verdict,
)

_PRIORITY = 10
_HOOKS = {"input": "filter_INPUT", "forward": "filter_FORWARD"}
# IPv4 addresses that no packet may have, as 6to4 and mapped IPv6 addresses (RFC3964_IPv4=yes).
_NOT_FORWARDED = (
    "::/96",
    "::ffff:0:0/96",
    "2002::/24",
    "2002:a00::/24",
    "2002:7f00::/24",
    "2002:a9fe::/32",
    "2002:ac10::/28",
    "2002:c0a8::/32",
    "2002:e000::/19",
)
_TARGETS = {
    "ACCEPT": Action.ACCEPT,
    "DROP": Action.DROP,
    "REJECT": Action.REJECT,
    "%%REJECT%%": Action.REJECT,
}


def parse_firewalld(files: Mapping[str, str]) -> Ruleset:
    """What firewalld loads of its files.

    ``files``: text by name below /etc/firewalld (``zones/NAME.xml``, ``policies/``, ``services/``,
    ``ipsets/``, ``firewalld.conf``); put those of /usr/lib/firewalld under the same names where
    /etc has none. Raises ConfigError for text that firewalld would refuse.
    """
    read = _Files(files)
    chains: dict[str, Chain] = {}
    for hook, name in _HOOKS.items():
        maker = _Hook(hook, read)
        chains[name] = Chain(name, tuple(maker.base()), Base(hook, _PRIORITY))
        chains.update(maker.chains)
    return Ruleset((Table("nft", "inet", "firewalld", chains),))


class _Files:
    """The files, sorted by what they are."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.zones: dict[str, Zone] = {}
        self.policies: list[Zone] = []
        services: dict[str, Service] = {}
        ipsets: dict[str, IpSetFile] = {}
        for path, text in files.items():
            kind, _, rest = path.partition("/")
            name = rest.removesuffix(".xml")
            if kind == "zones":
                self.zones[name] = read_zone(name, text, path)
            elif kind == "policies":
                self.policies.append(read_zone(name, text, path, "policy"))
            elif kind == "services":
                services[name] = read_service(name, text, path)
            elif kind == "ipsets":
                ipsets[name] = read_ipset(name, text, path)
        # Equal priorities: by name, as firewalld sorts them.
        self.policies.sort(key=lambda policy: (policy.priority, policy.name))
        self.words = Words(services, ipsets)
        self.options = _options(files.get("firewalld.conf", ""))
        self.default_zone = self.options.get("DefaultZone", "public")


def _options(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines() if line[:1] != "#")
    return {name.strip(): value.strip() for name, equals, value in lines if equals}


class _Hook:
    """The chains of one hook: policies, then the zone that the packet comes in by."""

    def __init__(self, hook: str, files: _Files) -> None:
        self._hook, self._files = hook, files
        self._word = "IN" if hook == "input" else "FWD"
        self.chains: dict[str, Chain] = {}

    def base(self) -> Iterator[Rule]:
        """The rules of the base chain, and (by the way) all the chains behind it."""
        new = Key("ct state", names.CT_STATES["established"] | names.CT_STATES["related"])
        yield _rule("ct state { established, related } accept", Test(new, ((0, 0),), True))
        dnat = Test(Key("ct status", names.CT_STATUS["dnat"]), ((0, 0),), True)
        yield _rule("ct status dnat accept", dnat)
        yield _rule('iifname "lo" accept', Test(Key("meta iifname"), ("lo",)))
        invalid = Key("ct state", names.CT_STATES["invalid"])
        yield _rule("ct state invalid drop", Test(invalid, ((0, 0),), True), verdict=Action.DROP)
        if self._hook == "forward" and self._files.options.get("RFC3964_IPv4") != "no":
            ranges = tuple(address_range(text) for text in _NOT_FORWARDED)
            to_them = Test(Key("ip6 daddr"), ranges)
            yield _rule("reject with icmpv6 addr-unreachable", to_them, verdict=Action.REJECT)
        early = [policy for policy in self._policies() if policy.priority < 0]
        late = [policy for policy in self._policies() if policy.priority >= 0]
        yield from self._jumps(early)
        yield from self._zones(late)
        yield _rule("reject with icmpx admin-prohibited", verdict=Action.REJECT)

    def _policies(self) -> Iterator[Zone]:
        for policy in self._files.policies:
            to_host = HOST in policy.egress
            if HOST not in policy.ingress and to_host == (self._hook == "input"):
                yield policy

    def _jumps(self, policies: Iterable[Zone]) -> Iterator[Rule]:
        for policy in policies:
            name = f"filter_{self._word}_policy_{policy.name}"
            self.chains[name] = Chain(name, tuple(self._body(policy, final=policy.target)))
            parts: list[Part] = []
            if ANY not in policy.ingress or (self._hook == "forward" and ANY not in policy.egress):
                zones = ", ".join((*policy.ingress, *policy.egress))
                parts.append(Unsupported(f"policy {policy.name}: between zones {zones}"))
            yield _rule(f"jump {name}", *parts, Verdict(Action.JUMP, name))

    def _zones(self, late: list[Zone]) -> Iterator[Rule]:
        """A packet's zone is that of its source, else of its interface, else the default one."""
        zones = self._files.zones
        bound = [zone for zone in zones.values() if zone.sources or zone.interfaces]
        for zone in bound:
            for attributes in zone.sources:
                for family in (4, 6):
                    if parts := self._files.words.side("saddr", attributes, family):
                        yield self._goto(zone, late, *parts)
        for zone in bound:
            for name in zone.interfaces:
                pattern = f"{name[:-1]}*" if name.endswith("+") else name
                yield self._goto(zone, late, Test(Key("meta iifname"), (pattern,)))
        default = zones.get(self._files.default_zone)
        if default is None:
            unknown = Unsupported(f"zone {self._files.default_zone} (its file was not read)")
            yield _rule(unknown.text, unknown, verdict=Action.ACCEPT)
        else:
            yield self._goto(default, late)

    def _goto(self, zone: Zone, late: list[Zone], *parts: Part) -> Rule:
        name = f"filter_{self._word}_{zone.name}"
        if name not in self.chains:
            rules = [*self._body(zone, final=""), *self._jumps(late), *self._end(zone)]
            self.chains[name] = Chain(name, tuple(rules))
        return _rule(f"goto {name}", *parts, Verdict(Action.GOTO, name))

    def _end(self, zone: Zone) -> Iterator[Rule]:
        if self._hook == "forward" and zone.target == "default":
            if any(tag == "forward" for tag, _ in zone.elements):
                yield from self._within(zone)
            yield _rule("reject with icmpx admin-prohibited", verdict=Action.REJECT)
            return
        if zone.target == "default":
            both = Test(Key("meta l4proto"), ((1, 1), (58, 58)))
            yield _rule("meta l4proto { icmp, ipv6-icmp } accept", both)
        yield _rule(zone.target, verdict=_TARGETS.get(zone.target, Action.REJECT))

    def _within(self, zone: Zone) -> Iterator[Rule]:
        """Forwarding from a zone to itself: to what is bound to it."""
        text = f"zone {zone.name}: forward"
        if zone.interfaces:
            yield _rule(text, Test(Key("meta oifname"), zone.interfaces))
        for attributes in zone.sources:
            for family in (4, 6):
                if parts := self._files.words.side("daddr", attributes, family):
                    yield _rule(text, *parts)

    def _body(self, zone: Zone, *, final: str) -> Iterator[Rule]:
        """By priority: what comes before, denied, allowed, what comes after; then the target."""
        words = self._files.words
        rich = sorted(zone.rules, key=lambda rule: rule.priority)
        for rule in (rule for rule in rich if rule.priority < 0):
            yield from words.rich(rule)
        # In FORWARD, a zone's elements are none of its business: they are about the host.
        mine = self._hook == "input" or bool(zone.egress)
        elements = zone.elements if mine else ()
        same = [rule for rule in rich if rule.priority == 0 and mine]
        for tag, attributes in elements:
            if tag == "icmp-block":
                yield from words.element((tag, attributes), Action.REJECT, zone.name)
        for rule in same:
            if rule.action in ("drop", "reject") or (rule.element or ("",))[0] == "icmp-block":
                yield from words.rich(rule)
        for tag, attributes in elements:
            if tag not in ("icmp-block", "forward", "masquerade", "forward-port"):
                yield from words.element((tag, attributes), Action.ACCEPT, zone.name)
        for rule in same:
            if rule.action == "accept":
                yield from words.rich(rule)
        for rule in (rule for rule in rich if rule.priority > 0):
            yield from words.rich(rule)
        if final in _TARGETS:
            yield _rule(f"policy {zone.name}: {final}", verdict=_TARGETS[final])


def _rule(text: str, *parts: Part, verdict: Action = Action.ACCEPT) -> Rule:
    last: tuple[Statement, ...] = ()
    if not any(isinstance(part, Verdict) for part in parts):
        last = (Verdict(verdict),)
    return Rule((*parts, *last), text)
