"""Random iptables rulesets: every table, both backends and families, ipsets, extensions."""

from __future__ import annotations

from random import Random

from tests.rules.tracing.oracle import BUILT_IN, Saved
from tests.rules.tracing.packets import ICMP_TYPES, ICMPV6_TYPES, PORTS
from tests.rules.tracing.randomnft import random_additions

_NETWORKS = {
    4: (
        "192.0.2.0/24", "192.0.2.21", "203.0.113.0/24", "10.244.1.0/24", "10.244.0.0/16",
        "192.0.2.11", "10.0.0.0/8", "172.16.0.0/12", "224.0.0.0/4", "10.0.0.1/255.0.0.3",
    ),
    6: ("fd00:2::/64", "fd00:2::21", "2001:db8::/32", "fd00:244::/32", "fd00:2::11", "fe80::/10",
        "ff00::/8"),
}  # fmt: skip
_RANGES = {4: "198.51.100.1-198.51.100.90", 6: "fd99::1-fd99::ff"}
IPSETS = """create nets4 hash:net family inet
add nets4 203.0.113.0/24
add nets4 10.0.0.0/8
add nets4 10.244.1.0/25 nomatch
add nets4 10.244.1.5
create pairs4 hash:net,port family inet
add pairs4 192.0.2.0/24,tcp:6443
add pairs4 203.0.113.0/24,tcp:80
add pairs4 203.0.113.0/24,udp:53
add pairs4 10.0.0.9,tcp:22
create ips4 hash:ip family inet
add ips4 192.0.2.21
add ips4 192.0.2.11
create triples4 hash:ip,port,net family inet
add triples4 192.0.2.11,tcp:6443,192.0.2.0/24
create bits bitmap:port range 0-65535
add bits 22
add bits 443
add bits 30080
create devices4 hash:net,iface family inet
add devices4 192.0.2.0/24,eth0
add devices4 10.244.0.0/16,pods0
create nets6 hash:net family inet6
add nets6 2001:db8::/32
add nets6 fd00:2::/64
create pairs6 hash:ip,port family inet6
add pairs6 fd00:2::21,tcp:6443
create several4 list:set size 8
add several4 ips4
add several4 nets4
"""
_HOOKS = {
    "raw": ("PREROUTING",),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "POSTROUTING"),
    "nat": ("PREROUTING", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD"),
    "security": ("INPUT", "FORWARD"),
}
_BELOW: dict[str, tuple[str, ...]] = {
    "SUB0": ("SUB1", "SUB2"),
    "SUB1": ("SUB2",),
    "SUB2": (),
    "": ("SUB0", "SUB1", "SUB2"),
}


class _Maker:
    def __init__(self, random: Random, family: int) -> None:
        self.random, self.family = random, family
        self.table = ""

    def choice(self, *options: str) -> str:
        return self.random.choice(options)

    def text(self) -> str:
        chosen = [table for table in _HOOKS if table == "filter" or self.random.random() < 0.4]
        return "".join(self.one(table) for table in chosen)

    def one(self, table: str) -> str:
        self.table = table
        lines = [f"*{table}"]
        for hook in BUILT_IN[table]:
            drops = table == "filter" and hook in ("INPUT", "FORWARD")
            policy = "DROP" if drops and self.random.random() < 0.5 else "ACCEPT"
            lines.append(f":{hook} {policy} [0:0]")
        lines += [f":{name} - [0:0]" for name in ("SUB0", "SUB1", "SUB2")]
        for name in ("SUB2", "SUB1", "SUB0"):
            count = self.random.randint(1, 4)
            lines += [self.rule(name, "", _BELOW[name]) for _ in range(count)]
        for hook in _HOOKS[table]:
            count = self.random.randint(0, 7)
            lines += [self.rule(hook, hook, _BELOW[""]) for _ in range(count)]
        return "\n".join([*lines, "COMMIT", ""])

    def rule(self, chain: str, hook: str, jumps: tuple[str, ...]) -> str:
        proto = self.choice("", "tcp", "tcp", "tcp", "udp", "udp", "icmp", "esp")
        words = [f"-A {chain}"]
        if proto:
            name = "ipv6-icmp" if proto == "icmp" and self.family == 6 else proto
            words.append(f"-p {name}")
        elif self.random.random() < 0.15:
            words.append("! -p tcp")
        count = self.random.choices((0, 1, 2, 3), weights=(2, 5, 3, 1))[0]
        groups = [self.address, self.connection, self.other]
        if proto in ("tcp", "udp", "icmp"):
            groups += [lambda: self.transport(proto)] * 2
        chosen = [self.random.choice(groups)() for _ in range(count)]
        used: set[str] = set()
        for text in chosen:
            # An option of the plain part, or an extension, at most once.
            mark = " ".join(text.split()[:2]) if text.startswith("-m") else text.lstrip("! ")[:2]
            if mark not in used:
                used.add(mark)
                words.append(text)
        if hook in ("PREROUTING", "INPUT") and self.random.random() < 0.15:
            words.append(f"{self.sign()}-i {self.choice('eth0', 'pods0', 'eth+', 'lo')}")
        if hook in ("FORWARD", "POSTROUTING") and self.random.random() < 0.15:
            words.append(f"{self.sign()}-o {self.choice('eth0', 'pods0', 'eth+')}")
        words.append(self.target(hook, jumps, proto))
        return " ".join(words)

    def sign(self) -> str:
        return self.choice("", "", "", "! ")

    def port(self) -> str:
        first = self.random.choice(PORTS)
        return str(first) if self.random.random() < 0.7 else f"{first}:{min(65535, first + 2767)}"

    def address(self) -> str:
        network = self.random.choice(_NETWORKS[self.family])
        if "255" in network and self.table == "nat":
            network = "10.0.0.0/8"
        kind = self.choice("LOCAL", "LOCAL", "MULTICAST", "UNICAST", "BROADCAST")
        if self.family == 6 and kind == "BROADCAST":
            kind = "LOCAL"
        sets = [f"-m set {self.sign()}--match-set nets{self.family} {self.choice('src', 'dst')}"]
        if self.family == 4:
            sets += [
                f"-m set {self.sign()}--match-set pairs4 {self.choice('src,dst', 'dst,dst')}",
                f"-m set {self.sign()}--match-set triples4 dst,dst,src",
                f"-m set {self.sign()}--match-set several4 {self.choice('src', 'dst')}",
                f"-m set {self.sign()}--match-set devices4 src,src",
                "-m set --match-set pairs4 src",
            ]
        else:
            sets.append(f"-m set {self.sign()}--match-set pairs6 {self.choice('src,dst')}")
        return self.choice(
            f"{self.sign()}{self.choice('-s', '-d')} {network}",
            f"{self.sign()}{self.choice('-s', '-d')} {network}",
            f"-m addrtype {self.sign()}--{self.choice('src', 'dst')}-type {kind}",
            f"-m iprange {self.sign()}--src-range {_RANGES[self.family]}",
            self.random.choice(sets),
        )

    def transport(self, proto: str) -> str:
        if proto == "icmp":
            if self.family == 4:
                kind = f"{self.random.choice(ICMP_TYPES)}{self.choice('', '', '/0')}"
                return f"-m icmp {self.sign()}--icmp-type {kind}"
            return f"-m icmp6 {self.sign()}--icmpv6-type {self.random.choice(ICMPV6_TYPES)}"
        ports = ",".join(map(str, sorted(self.random.sample(PORTS, 3))))
        options = [
            f"-m {proto} {self.sign()}--dport {self.port()}",
            f"-m {proto} {self.sign()}--dport {self.port()}",
            f"-m {proto} {self.sign()}--sport {self.port()}",
            f"-m multiport {self.sign()}--{self.choice('dports', 'sports', 'ports')} {ports}",
            f"-m conntrack {self.sign()}--ctorigdstport {self.port()}",
            f"-m set {self.sign()}--match-set bits {self.choice('src', 'dst')}",
        ]
        if proto == "tcp":
            options += [
                f"-m tcp {self.sign()}--syn",
                f"-m tcp {self.sign()}--tcp-flags SYN,ACK {self.choice('SYN', 'ACK', 'NONE')}",
            ]
        return self.random.choice(options)

    def connection(self) -> str:
        state = self.choice("NEW", "RELATED,ESTABLISHED", "INVALID", "NEW,DNAT", "DNAT",
                            "UNTRACKED", "INVALID,NEW,UNTRACKED")  # fmt: skip
        origin = self.choice("--ctdir ORIGINAL", "--ctstate NEW --ctorigdstport 30000:32767",
                             "--ctstatus CONFIRMED")  # fmt: skip
        return self.choice(
            f"-m conntrack {self.sign()}--ctstate {state}",
            f"-m conntrack {self.sign()}--ctstate {state}",
            f"-m state {self.sign()}--state {self.choice('NEW', 'INVALID', 'ESTABLISHED')}",
            f"-m conntrack {origin}",
            f"-m connmark {self.sign()}--mark 0x1",
        )

    def other(self) -> str:
        return self.choice(
            f"-m mark {self.sign()}--mark {self.choice('0x1', '0x4000/0x4000', '0x0/0xff')}",
            '-m comment --comment "kubernetes -j DROP \\"x\\" ! --dport 1"',
            f"-m pkttype {self.sign()}--pkt-type {self.choice('broadcast', 'multicast')}",
            "-m limit --limit 5/min" if self.random.random() < 0.3 else "-m comment --comment -j",
            "-m statistic --mode random --probability 0.5"
            if self.random.random() < 0.3
            else "-m mark --mark 0x0",
        )

    def target(self, hook: str, jumps: tuple[str, ...], proto: str) -> str:
        options = ["-j RETURN", "", "-j MARK --set-xmark 0x4000/0x4000" * (self.table == "mangle")]
        options += [f"-j {name}" for name in jumps] * 2 + [f"-g {name}" for name in jumps]
        if self.table != "nat":
            options += ["-j ACCEPT", "-j ACCEPT", "-j DROP", "-j DROP"]
            options += ['-j LOG --log-prefix "a b"']
        else:
            options += ["-j ACCEPT"]
        if self.table == "mangle":
            options += ["-j MARK --set-xmark 0x1/0xff", "-j CONNMARK --save-mark",
                        "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff",
                        "-j CONNMARK --set-xmark 0x1/0xffffffff"]  # fmt: skip
        if self.table == "raw" and hook:
            options += ["-j CT --notrack"]
        if self.table == "filter":
            options += ["-j REJECT"]
            if proto == "tcp":
                options += ["-j REJECT --reject-with tcp-reset"]
        if self.table == "nat" and hook == "PREROUTING" and proto in ("tcp", "udp"):
            options += self.translations() * 2
        if self.table == "nat" and hook == "POSTROUTING":
            options += ["-j MASQUERADE"]
        return self.random.choice([option for option in options if option or jumps])

    def translations(self) -> list[str]:
        ports = f"{self.random.choice(PORTS)}"
        if self.family == 4:
            return [
                "-j DNAT --to-destination 10.244.1.5",
                "-j DNAT --to-destination 10.244.1.77:8080",
                "-j DNAT --to-destination 192.0.2.11:6443",
                f"-j DNAT --to-destination :{ports}",
                "-j DNAT --to-destination 10.244.1.5-10.244.1.9:8000-8010",
                f"-j REDIRECT --to-ports {ports}",
            ]
        return [
            "-j DNAT --to-destination fd00:244:1::5",
            "-j DNAT --to-destination [fd00:244:1::77]:8080",
            f"-j REDIRECT --to-ports {ports}",
        ]


def random_iptables(seed: int) -> Saved:
    """Both families, of one backend or of both together."""
    random = Random(seed)  # noqa: S311  (for tests)
    backends = random.choice(
        (("iptables-nft",), ("iptables-legacy",), ("iptables-nft", "iptables-legacy"))
    )
    texts = tuple(
        (backend, family, _Maker(random, family).text())
        for backend in backends
        for family in (4, 6)
    )
    return Saved(f"random iptables {seed}", iptables=texts, ipsets=IPSETS)


def random_mixed(seed: int) -> Saved:
    """Tables of iptables-nft to which nft has added rules and chains."""
    random = Random(seed)  # noqa: S311  (for tests)
    texts = tuple(("iptables-nft", family, _Maker(random, family).text()) for family in (4, 6))
    return Saved(
        f"random mixed {seed}", iptables=texts, ipsets=IPSETS, later=random_additions(seed)
    )
