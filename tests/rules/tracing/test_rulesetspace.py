"""The space of a ruleset says of every packet what its trace says."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from random import Random

import pytest

from rules.packet import Packet
from rules.parse.iptables import parse_iptables_save
from rules.parse.nft import parse_nft
from rules.ruleset import Ruleset
from rules.space import EMPTY, Box, Space
from rules.space import Packet as Point
from rules.tracing.rulesetspace import Reach, reach
from rules.tracing.trace import Tracer
from tests.kernel import require_kernel
from tests.rules.tracing.oracle import LOCAL, Oracle, isolated
from tests.rules.tracing.packets import PODS, random_packet, way_out
from tests.rules.tracing.randomiptables import random_iptables
from tests.rules.tracing.randomnft import random_nft
from tests.rules.tracing.realistic import realistic

NODE = ip_address("192.0.2.11")
_DESTINATIONS = (NODE, LOCAL[2].ip, PODS[4][0], PODS[6][0])
_ERRORS = {1: (3, 4, 5, 11, 12), 58: (1, 2, 3, 4)}


def save(*rules: str, policy: str = "DROP") -> str:
    head = f"*filter\n:INPUT {policy} [0:0]\n:FORWARD {policy} [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    return head + "\n".join(f"-A {rule}" for rule in rules) + "\nCOMMIT\n"


def reached(*rules: str, policy: str = "DROP", hook: str = "input") -> Reach:
    ruleset = parse_iptables_save(save(*rules, policy=policy), "iptables-nft", 4)
    return reach(ruleset, hook, NODE, local_addresses=LOCAL)


def box(network: str, protocol: int, first: int, last: int) -> Box:
    return Box.of(ip_network(network), protocol, (first, last))


def test_an_empty_ruleset_lets_everything_through() -> None:
    found = reach(Ruleset(), "input", NODE, local_addresses=LOCAL)
    assert found.certain == found.possible
    assert found.certain.size() == 2**32 * (5 * 65536 + 2 * 256 + 249)
    assert reach(Ruleset(), "forward", NODE, local_addresses=LOCAL).possible == EMPTY


def test_rules_cut_it_exactly() -> None:
    found = reached(
        "INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 80:90 -j ACCEPT",
        "INPUT -s 10.1.0.0/16 -j DROP",
        "INPUT -p udp -m multiport --dports 53,5353 -j ACCEPT",
        "INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT",
        "INPUT -p ipencap -s 192.0.2.0/24 -j ACCEPT",
    )
    wanted = Space.of(
        [
            box("10.0.0.0/8", 6, 80, 90),
            box("0.0.0.0/0", 17, 53, 53),
            box("0.0.0.0/0", 17, 5353, 5353),
            box("0.0.0.0/0", 1, 8, 8),
            box("192.0.2.0/24", 4, 0, 0),
        ]
    ) - Space.of([box("10.1.0.0/16", protocol, *ports) for protocol, ports in (
        (17, (0, 65535)), (1, (8, 8)))])  # fmt: skip
    assert found.certain == found.possible == wanted


def test_what_cannot_be_told_is_possible_and_not_certain() -> None:
    found = reached(
        "INPUT -p tcp -m tcp --dport 22 -m limit --limit 5/min -j ACCEPT",
        "INPUT -p tcp -m tcp --dport 80 -j ACCEPT",
    )
    assert found.certain == Space.of([box("0.0.0.0/0", 6, 80, 80)])
    assert found.possible - found.certain == Space.of([box("0.0.0.0/0", 6, 22, 22)])


NAT = """{"nftables": [
 {"chain": {"family": "ip", "table": "nat", "name": "pre", "type": "nat", "hook": "prerouting",
   "prio": -100}},
 {"rule": {"family": "ip", "table": "nat", "chain": "pre", "handle": 1, "expr": [
   {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 80}},
   {"dnat": {"family": "ip", "addr": {"map": {"key": {"numgen": {"mode": "random", "mod": 2}},
     "data": {"set": [[0, "10.244.1.5"], [1, "%s"]]}}}}}]}}]}"""


@pytest.mark.parametrize(
    ("second", "certain", "possible"),
    [("10.244.1.77", False, False), ("192.0.2.11", False, True)],
)
def test_dnat_by_a_random_number(second: str, certain: bool, possible: bool) -> None:
    """What is sent to a pod, or may be, does not certainly come through INPUT."""
    found = reach(parse_nft(NAT % second), "input", NODE, local_addresses=LOCAL)
    port = Space.of([box("0.0.0.0/0", 6, 80, 80)])
    assert (found.certain & port == port) is certain
    assert (found.possible & port == port) is possible
    assert found.certain & Space.of([box("0.0.0.0/0", 6, 81, 81)])


def test_dnat_moves_a_port_from_input_to_forward() -> None:
    nat = (
        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 30080 -j DNAT "
        "--to-destination 10.244.1.5:8080\nCOMMIT\n"
    )
    rules = save(
        "INPUT -p tcp -m tcp --dport 30000:30100 -j ACCEPT",
        "FORWARD -d 10.244.1.5/32 -s 203.0.113.0/24 -p tcp -m tcp --dport 8080 -j ACCEPT",
    )
    ruleset = parse_iptables_save(nat + rules, "iptables-nft", 4)
    inside = reach(ruleset, "input", NODE, local_addresses=LOCAL)
    assert inside.certain == Space.of(
        [box("0.0.0.0/0", 6, 30000, 30079), box("0.0.0.0/0", 6, 30081, 30100)]
    )
    onward = reach(ruleset, "forward", NODE, local_addresses=LOCAL)
    assert onward.certain == Space.of([box("203.0.113.0/24", 6, 30080, 30080)])


def test_errors_of_icmp_count_as_answers() -> None:
    found = reached("INPUT -m conntrack --ctstate RELATED -j ACCEPT")
    assert {point.ports for point in found.certain.boxes()} == {(3, 5), (11, 12)}


def test_many_sources() -> None:
    rules = [f"INPUT -s 10.{n >> 8}.{n & 255}.1/32 -p tcp -m tcp --dport 6443 -j ACCEPT"
             for n in range(500)]  # fmt: skip
    assert reached(*rules).certain.size() == 500


def _agree(saved_name: str, ruleset: Ruleset, seed: int) -> tuple[int, int]:
    random, tracer = Random(seed), Tracer(ruleset)  # noqa: S311  (for tests)
    asked = told = 0
    spaces: dict[tuple[str, object, object], Reach] = {}
    for _ in range(300):
        packet = random_packet(random)
        known = packet.interface_in == "eth0" and not packet.source.is_link_local
        if not known or packet.destination not in _DESTINATIONS:
            continue
        errors = _ERRORS.get(packet.protocol, ())
        state = "related" if packet.icmp_type in errors else "new"
        packet = Packet(**{**vars(packet), "state": state, "source_port": None, "icmp_code": None})
        for hook in ("input", "forward"):
            place = (hook, packet.destination, packet.interface_in)
            if place not in spaces:
                spaces[place] = reach(
                    ruleset,
                    hook,
                    packet.destination,
                    local_addresses=LOCAL,
                    interface_in=packet.interface_in,
                    routes=way_out,
                )
            found = tracer.trace(packet, local_addresses=LOCAL, routes=way_out, reverse_path=True)
            point = Point(
                packet.family,
                packet.protocol,
                packet.source,
                packet.icmp_type if packet.icmp_type is not None else packet.destination_port or 0,
            )
            asked += 1
            if point in spaces[place].certain:
                told += 1
                assert found.admitted is True, (saved_name, hook, packet, found)
            elif point not in spaces[place].possible:
                told += 1
                assert found.admitted is not True or found.hook != hook, (saved_name, hook, packet)
    return asked, told


@pytest.mark.kernel
def test_space_and_trace_agree() -> None:
    require_kernel()
    rulesets = [*realistic(), *map(random_nft, range(4)), *map(random_iptables, range(3))]

    def work() -> list[tuple[int, int]]:
        oracle = Oracle()
        return [
            _agree(saved.name, oracle.load(saved), number) for number, saved in enumerate(rulesets)
        ]

    counts = isolated(work)
    asked, told = sum(one for one, _ in counts), sum(one for _, one in counts)
    assert asked > 1500
    assert told > 0.9 * asked
