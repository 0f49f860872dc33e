"""Random nft rulesets: tables, priorities, jumps, sets, maps, NAT, marks."""

from __future__ import annotations

from random import Random

from tests.rules.tracing.oracle import Saved
from tests.rules.tracing.packets import ICMP_TYPES, ICMPV6_TYPES, PORTS

_NETWORKS = {
    4: (
        "192.0.2.0/24",
        "192.0.2.21",
        "203.0.113.0/24",
        "10.244.1.0/24",
        "10.244.0.0/16",
        "192.0.2.11",
        "198.51.100.0-198.51.100.99",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "224.0.0.0/4",
    ),
    6: (
        "fd00:2::/64",
        "fd00:2::21",
        "2001:db8::/32",
        "fd00:244::/32",
        "fd00:2::11",
        "fe80::/10",
        "fd99::9-fd99::ff",
        "ff00::/8",
    ),
}
_SETS = {
    4: """
    set nets4 { type ipv4_addr; flags interval; elements = {
        203.0.113.0/24, 10.244.1.0/25, 192.0.2.20-192.0.2.30 } }
    set pairs4 { type ipv4_addr . inet_service; flags interval; elements = {
        192.0.2.0/24 . 6443, 203.0.113.0/24 . 80-9000, 10.0.0.9 . 22 } }
    set triples4 { typeof ip saddr . meta l4proto . th dport; flags interval; elements = {
        192.0.2.21 . tcp . 10250, 198.51.100.0/24 . udp . 53, 10.244.0.0/16 . tcp . 1-65535 } }
    map verdicts4 { type ipv4_addr : verdict; flags interval; elements = {
        192.0.2.0/24 : jump sub1, 203.0.113.5 : drop, 10.0.0.0/8 : accept } }
    map targets4 { type inet_service : ipv4_addr . inet_service; elements = {
        80 : 10.244.1.5 . 8080, 30080 : 10.244.1.77 . 80, 443 : 192.0.2.11 . 6443 } }
""",
    6: """
    set nets6 { type ipv6_addr; flags interval; elements = { 2001:db8::/32, fd00:244:1::/64 } }
    set pairs6 { type ipv6_addr . inet_service; flags interval; elements = {
        fd00:2::/64 . 6443, 2001:db8::/32 . 80-9000 } }
    map verdicts6 { type ipv6_addr : verdict; flags interval; elements = {
        fd00:2::/64 : jump sub1, 2001:db8::5 : drop } }
""",
    0: """
    set services { type inet_service; flags interval; elements = {
        22, 80, 443, 2379-2380, 30000-32767 } }
    set links { type ifname; elements = { "eth0", "cni0" } }
    map services_map { type inet_service : verdict; flags interval; elements = {
        22 : accept, 80 : drop, 443 : jump sub1, 6443 : goto sub2, 30000-31000 : jump sub2 } }
""",
}  # fmt: skip
_HOOKS = ("prerouting", "input", "forward", "postrouting")
_PRIORITIES = {
    "prerouting": (-350, -300, -250, -150, -110, -90, -5, 0, 10),
    "input": (-150, -5, 0, 5, 10, 50, 90),
    "forward": (-150, -10, 0, 0, 5, 50),
    "postrouting": (-150, 0, 110),
}


class _Maker:
    """One random table after the other."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.family = self.ip = self.proto = ""
        self.number = 4

    def choice(self, *options: str) -> str:
        return self.random.choice(options)

    def families(self) -> tuple[int, ...]:
        return {"ip": (4,), "ip6": (6,), "inet": (4, 6)}[self.family]

    def table(self, number: int) -> str:
        self.family = self.choice("inet", "inet", "inet", "ip", "ip6")
        lines = [f"table {self.family} t{number} {{"]
        lines += [_SETS[family] for family in self.families()]
        lines.append(_SETS[0])
        for name in ("sub2", "sub1", "sub0"):
            lines.append(f"  chain {name} {{")
            rules = self.random.randint(1, 4)
            lines += [self.rule(jumps=_BELOW[name], hook="") for _ in range(rules)]
            lines.append("  }")
        for place in range(self.random.randint(1, 4)):
            lines += self.base(place)
        if self.random.random() < 0.4:
            lines += self.nat()
        return "\n".join([*lines, "}"])

    def additions(self, family: str) -> str:
        """Rules of nft at the end of iptables' own chains, and a base chain beside them."""
        self.family = family
        number = 4 if family == "ip" else 6
        lines = [f"table {family} filter {{", _SETS[number], _SETS[0]]
        for name in ("sub2", "sub1", "sub0"):
            lines += [f"  chain {name} {{", self.rule(jumps=_BELOW[name], hook=""), "  }"]
        for hook in ("input", "forward"):
            rules = [
                self.rule(jumps=("sub0", "sub1", "sub2"), hook=hook)
                for _ in range(self.random.randint(0, 3))
            ]
            lines += [f"  chain {hook.upper()} {{", *rules, "  }"]
        if self.random.random() < 0.5:
            lines += self.base(0)
        return "\n".join([*lines, "}"]) + "\n"

    def base(self, place: int) -> list[str]:
        hook = self.random.choices(_HOOKS, weights=(2, 5, 4, 1))[0]
        priority = self.random.choice(_PRIORITIES[hook])
        policy = self.choice("accept", "drop") if hook in ("input", "forward") else "accept"
        rules = [
            self.rule(jumps=("sub0", "sub1", "sub2"), hook=hook)
            for _ in range(self.random.randint(1, 8))
        ]
        head = f"type filter hook {hook} priority {priority}; policy {policy};"
        return [f"  chain base{place} {{", f"    {head}", *rules, "  }"]

    def nat(self) -> list[str]:
        priority = self.random.choice((-150, -100, -100, -90, 0))
        head = f"type nat hook prerouting priority {priority}; policy accept;"
        rules = []
        for _ in range(self.random.randint(1, 4)):
            self.settle()
            rules.append(f"    {self.matches('prerouting')} {self.translation()}")
        return ["  chain nat {", f"    {head}", *rules, "  }"]

    def translation(self) -> str:
        """Of the rule's own family and protocol, so that nft sees no contradiction."""
        kind, proto = self.random.random(), self.proto
        if kind < 0.2 or proto not in ("tcp", "udp"):
            return self.choice("accept", "return", "drop")
        start = f"{proto} dport {self.port()}"
        if kind < 0.35:
            return f"{start} redirect to :{self.random.choice(PORTS)}"
        if kind < 0.5 and self.ip == "ip":
            return f"dnat ip to {proto} dport map @targets4"
        if self.ip == "ip":
            where = self.choice("10.244.1.5", "10.244.1.77:8080", "192.0.2.11:6443", "10.96.0.10")
        else:
            where = self.choice("fd00:244:1::5", "[fd00:244:1::77]:8080", "[fd00:2::11]:6443")
        return f"{start} dnat {self.ip} to {where}"

    def rule(self, *, jumps: tuple[str, ...], hook: str) -> str:
        self.settle()
        return f"    {self.matches(hook)} {self.statement(jumps, hook)}"

    def settle(self) -> None:
        """The family and transport protocol of the rule to come; nft allows one of each."""
        self.number = self.random.choice(self.families())
        self.ip = "ip" if self.number == 4 else "ip6"
        self.proto = self.choice("tcp", "tcp", "tcp", "udp", "udp", "icmp", "")
        if self.proto == "icmp" and self.number == 6:
            self.proto = "icmpv6"

    def matches(self, hook: str) -> str:
        count = self.random.choices((0, 1, 2, 3), weights=(1, 5, 5, 2))[0]
        return " ".join(self.match(hook) for _ in range(count))

    def port(self) -> str:
        first = self.random.choice(PORTS)
        kind = self.random.random()
        if kind < 0.6:
            return str(first)
        if kind < 0.8:
            return f"{first}-{min(65535, first + self.random.choice((1, 30, 2767)))}"
        others = sorted(set(self.random.sample(PORTS, 3)))
        return f"{{ {', '.join(map(str, others))} }}"

    def match(self, hook: str) -> str:
        groups = [self.by_address, self.by_address, self.by_connection, self.by_meta]
        if self.proto:
            groups += [self.by_transport] * 3
        found = self.random.choice(groups)()
        if hook in ("forward", "postrouting") and self.random.random() < 0.1:
            return f"oifname {self.sign()}{self.interface()}"
        return found

    def sign(self) -> str:
        return self.choice("", "", "", "!= ")

    def by_address(self) -> str:
        side = self.choice("saddr", "daddr")
        options = [
            f"{self.ip} {side} {self.sign()}{self.random.choice(_NETWORKS[self.number])}",
            f"{self.ip} saddr {self.sign()}@nets{self.number}",
            f"fib {side} type {self.sign()}{self.choice('local', 'multicast', 'broadcast')}",
        ]
        if self.ip == "ip":
            options.append("ip saddr & 0.0.0.3 == 0.0.0.1")
        return self.random.choice(options)

    def by_transport(self) -> str:
        if self.proto in ("icmp", "icmpv6"):
            types = ICMP_TYPES if self.proto == "icmp" else ICMPV6_TYPES
            return f"{self.proto} type {self.sign()}{self.random.choice(types)}"
        options = [
            f"{self.proto} {self.choice('dport', 'dport', 'sport')} {self.sign()}{self.port()}",
            f"{self.proto} dport {self.sign()}@services",
            f"{self.ip} saddr . {self.proto} dport @pairs{self.number}",
            f"meta l4proto {self.proto} ct original proto-dst {self.random.choice(PORTS)}",
        ]
        if self.proto == "tcp":
            flags = self.choice("syn / syn,ack", "& (fin|rst) == 0", "ack", "syn")
            options.append(f"tcp flags {flags}")
        return self.random.choice(options)

    def by_connection(self) -> str:
        state = self.choice(
            "new", "established,related", "invalid", "{ new, untracked }", "!= new", "new,invalid"
        )
        return self.choice(
            f"ct state {state}",
            f"ct state {state}",
            f"ct mark {self.mark()}",
            f"ct status {self.choice('dnat', 'snat')}",
            "ct direction original",
        )

    def by_meta(self) -> str:
        options = [
            f"iifname {self.sign()}{self.interface()}",
            f"meta mark {self.mark()}",
            f"meta pkttype {self.sign()}{self.choice('broadcast', 'multicast', 'host')}",
        ]
        if not self.proto:
            options.append(f"meta l4proto {self.sign()}{self.choice('tcp', 'udp', 'esp', '4')}")
            options.append(f"meta l4proto {{ tcp, udp }} th dport {self.port()}")
            if self.ip == "ip":
                options.append("ip saddr . meta l4proto . th dport @triples4")
        if self.family == "inet" and self.ip == "ip":
            options.append("meta nfproto ipv4")
        return self.random.choice(options)

    def interface(self) -> str:
        return self.choice('"eth0"', '"pods0"', '"lo"', '"eth*"', '{ "eth0", "wg*" }', "@links")

    def mark(self) -> str:
        return self.choice("0x1", "0x4000", "& 0x4000 == 0x4000", "!= 0x0", "& 0xff == 0x0")

    def statement(self, jumps: tuple[str, ...], hook: str) -> str:
        options = [
            "accept", "accept", "drop", "drop", "return", "continue", "counter",
            "meta mark set 0x1", "meta mark set meta mark or 0x4000", "ct mark set 0x1",
            "meta mark set ct mark", "ct mark set meta mark and 0xff", "counter drop",
        ]  # fmt: skip
        options += [f"{self.choice('jump', 'goto')} {name}" for name in jumps] * 2
        if "sub1" in jumps:
            options += [f"{self.ip} saddr vmap @verdicts{self.number}"]
        if set(jumps) >= {"sub1", "sub2"}:
            options.append(self.vmap())
            if self.proto == "tcp":
                options.append("tcp dport vmap @services_map")
        if hook in ("input", "forward"):
            options += ["reject"]
        if hook == "prerouting":
            options += ["notrack"]
        options += ["limit rate 1000/second", "limit rate 5/minute accept"]
        return self.random.choice(options)

    def vmap(self) -> str:
        options = [
            "ct state vmap { established : accept, related : accept, invalid : drop }",
            "numgen random mod 2 vmap { 0 : jump sub1, 1 : jump sub2 }",
        ]
        if not self.proto:
            options.append("meta l4proto vmap { tcp : jump sub1, udp : goto sub2, icmp : accept }")
            if self.ip == "ip":
                options.append("ip protocol . th dport vmap { tcp . 22 : accept, udp . 53 : drop }")
        return self.random.choice(options)


_BELOW: dict[str, tuple[str, ...]] = {"sub0": ("sub1", "sub2"), "sub1": ("sub2",), "sub2": ()}


def random_nft(seed: int) -> Saved:
    """One ruleset of one to three tables."""
    random = Random(seed)  # noqa: S311  (for tests)
    maker = _Maker(random)
    tables = [maker.table(number) for number in range(random.randint(1, 3))]
    return Saved(f"random nft {seed}", nft="\n".join(tables))


def random_additions(seed: int) -> str:
    """For nft: what somebody adds to the tables of iptables-nft, of both families."""
    maker = _Maker(Random(seed))  # noqa: S311  (for tests)
    return maker.additions("ip") + maker.additions("ip6")
