"""What was met and what is known beside it -> outcome and layer; and which errands a role has."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.checks import peers
from preflight.finding import Status
from preflight.fleet.reach import run
from preflight.fleet.reach.frames import ECHO, FRAMES, overhead, unwrap, wrap
from preflight.fleet.reach.model import (
    Errand,
    IcmpError,
    Inventory,
    Layer,
    Outcome,
    Peer,
    Port,
    Raw,
    Reach,
    label,
)
from preflight.fleet.reach.plan import errands, served, unprobed
from preflight.fleet.reach.settle import Evidence, settle
from rules.cluster import Cluster, CniChoice, Role
from rules.packet import checksum
from rules.policy import policy
from rules.version import Version
from tests.nodes import healthy, judge, target

PEER = Peer("w1", Role.WORKER, (ip_address("192.0.2.21"),))
TCP = Errand(PEER, PEER.addresses[0], "tcp", 10250, ("kubelet-api",), "kubelet", "kubelet")
UDP = Errand(PEER, PEER.addresses[0], "udp", 8472, ("flannel-vxlan",), "flannel")
OWN = frozenset({"192.0.2.11"})
TUNNEL = Inventory("w1", (Port("udp", 4, 8472, held_by="the kernel"),))


def bound(errand: Errand, **changes: Any) -> Inventory:
    port = Port(errand.protocol, 4, errand.port, **changes)
    return Inventory("w1", (port,))


def told(errand: Errand, rule: str = "", **changes: Any) -> Inventory:
    return replace(bound(errand), rules={errand.label: rule}, **changes)


def open_raw(errand: Errand = UDP, **changes: Any) -> Raw:
    values = {"sent": 3, "answered": 3, "rtt_ms": 0.4, "clock_ms": 1.0, "full": 1500,
              "forward": 1500, "back": 1500, **changes}  # fmt: skip
    return Raw(errand, **values)


def icmp(sender: str, type: int, code: int, mtu: int = 0) -> IcmpError:
    return IcmpError(sender, type, code, mtu)


CASES: dict[str, tuple[Raw, Evidence, Outcome, Layer, str]] = {
    "open": (open_raw(), Evidence(), Outcome.OPEN, Layer.NONE, "1500 bytes"),
    "loss": (open_raw(sent=10, answered=8), Evidence(), Outcome.OPEN, Layer.NETWORK, "2 of 10"),
    "one by chance": (
        open_raw(sent=10, answered=9), Evidence(), Outcome.OPEN, Layer.NONE, "1 of 10 probes lost"
    ),
    "black hole": (
        open_raw(forward=1400), Evidence(), Outcome.MTU, Layer.NETWORK, "black hole"
    ),
    "told size": (
        open_raw(forward=1400, size_icmp=icmp("192.0.2.1", 3, 4, 1400)),
        Evidence(), Outcome.MTU, Layer.NETWORK, "192.0.2.1 says that it takes 1400",
    ),
    "black hole back": (
        open_raw(back=1300), Evidence(), Outcome.MTU, Layer.NETWORK, "back from the peer"
    ),
    "no way": (
        Raw(UDP, unreachable="Network is unreachable"),
        Evidence(), Outcome.UNREACHABLE, Layer.NETWORK, "no way there",
    ),
    "reset, nobody asked": (
        Raw(TCP, reset=True), Evidence(), Outcome.CLOSED, Layer.NO_LISTENER, "a reset"
    ),
    "reset, not bound": (
        Raw(TCP, reset=True), Evidence(inventory=bound(TCP, problem="Permission denied")),
        Outcome.CLOSED, Layer.NO_LISTENER, "Permission denied",
    ),
    "reset, bound": (
        Raw(TCP, reset=True),
        Evidence(inventory=told(TCP, "rejected by rule 3")),
        Outcome.REJECTED, Layer.PEER_FIREWALL, "rejected by rule 3",
    ),
    "port unreachable": (
        Raw(UDP, icmp=icmp("192.0.2.21", 3, 3)),
        Evidence(), Outcome.CLOSED, Layer.NO_LISTENER, "port unreachable",
    ),
    "port unreachable, bound": (
        Raw(UDP, icmp=icmp("192.0.2.21", 3, 3)), Evidence(inventory=bound(UDP)),
        Outcome.REJECTED, Layer.PEER_FIREWALL, "3/3",
    ),
    "port unreachable to TCP": (
        Raw(TCP, icmp=icmp("192.0.2.21", 3, 3)),
        Evidence(), Outcome.REJECTED, Layer.PEER_FIREWALL, "3/3",
    ),
    "router rejects": (
        Raw(TCP, icmp=icmp("192.0.2.1", 3, 13)),
        Evidence(own_addresses=OWN), Outcome.REJECTED, Layer.NETWORK, "192.0.2.1, between",
    ),
    "own host rejects": (
        Raw(TCP, icmp=icmp("192.0.2.11", 3, 3)),
        Evidence(own_addresses=OWN, own_rule="rejected by rule 1"),
        Outcome.REJECTED, Layer.OWN_FIREWALL, "rejected by rule 1",
    ),
    "nobody on the link": (
        Raw(TCP, icmp=icmp("192.0.2.11", 3, 1)),
        Evidence(own_addresses=OWN), Outcome.UNREACHABLE, Layer.NETWORK, "on the link",
    ),
    "real component": (
        Raw(TCP, connected=True),
        Evidence(inventory=bound(TCP, held_by="kubelet (process 7, kubelet.service)")),
        Outcome.OPEN, Layer.NONE, "kubelet (process 7, kubelet.service) itself is there",
    ),
    "foreign program": (
        Raw(TCP, connected=True, spoken="HTTP/1.1 400"),
        Evidence(inventory=bound(TCP, held_by="nginx (process 7)")),
        Outcome.WRONG, Layer.NO_LISTENER, "nginx (process 7) holds the port on the peer, and not",
    ),
    "somebody between": (
        Raw(TCP, connected=True), Evidence(inventory=bound(TCP)),
        Outcome.WRONG, Layer.NETWORK, "answers in its place",
    ),
    "accepted, and the answer lost": (
        Raw(TCP, connected=True), Evidence(inventory=replace(bound(TCP), seen=(TCP.label,))),
        Outcome.ASYMMETRIC, Layer.NETWORK, "lost on the way back",
    ),
    "somebody, nobody asked": (
        Raw(TCP, connected=True, spoken="\x1b[2J"),
        Evidence(), Outcome.WRONG, Layer.UNKNOWN, r"\\x1b",
    ),
    "own rule drops": (
        Raw(UDP), Evidence(own_rule="dropped by rule 1", inventory=told(UDP)),
        Outcome.FILTERED, Layer.OWN_FIREWALL, "on this host dropped by rule 1",
    ),
    "peer's rule drops": (
        Raw(UDP), Evidence(inventory=told(UDP, "dropped by rule 2")),
        Outcome.FILTERED, Layer.PEER_FIREWALL, "on the peer dropped by rule 2",
    ),
    "peer's card says so": (
        Raw(UDP), Evidence(admits="dropped"), Outcome.FILTERED, Layer.PEER_FIREWALL, "by its card"
    ),
    "between, by the listener": (
        Raw(UDP), Evidence(inventory=told(UDP)), Outcome.FILTERED, Layer.NETWORK, "between them"
    ),
    "between, by the card": (
        Raw(UDP), Evidence(admits="admitted"), Outcome.FILTERED, Layer.NETWORK, "between them"
    ),
    "answer lost": (
        Raw(UDP), Evidence(inventory=told(UDP, seen=("8472/udp",))),
        Outcome.ASYMMETRIC, Layer.NETWORK, "on the way back",
    ),
    "half open": (
        Raw(TCP), Evidence(inventory=told(TCP, half_open=("10250/tcp",))),
        Outcome.ASYMMETRIC, Layer.NETWORK, "on the way back",
    ),
    "tunnel": (
        Raw(UDP), Evidence(inventory=TUNNEL), Outcome.UNKNOWN, Layer.NONE, "the kernel holds"
    ),
    "nothing known": (
        Raw(UDP), Evidence(), Outcome.FILTERED, Layer.UNKNOWN, "could not be asked"
    ),
    "rules not readable": (
        Raw(UDP), Evidence(inventory=told(UDP, "unknown: run it as root")),
        Outcome.FILTERED, Layer.UNKNOWN, "run it as root",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_outcome_and_layer(name: str) -> None:
    raw, known, outcome, layer, words = CASES[name]
    found = settle(raw, known)
    assert (found.outcome, found.layer) == (outcome, layer)
    assert re.search(words.replace("(", r"\(").replace(")", r"\)"), found.detail)


@pytest.mark.parametrize("name", CASES)
def test_every_verdict_is_a_judgement_with_a_remedy(name: str) -> None:
    raw, known, outcome, _, _ = CASES[name]
    found = peers.judged(settle(raw, known))
    assert "w1" in found.subject
    if outcome is Outcome.OPEN:
        assert found.status in (Status.PASS, Status.WARN)
    elif outcome is Outcome.UNKNOWN:
        assert found.status is Status.UNKNOWN
    else:
        assert found.status is (Status.WARN if name == "told size" else Status.FAIL)
        assert found.remedy
        assert found.nodes == ("w1",)


def test_the_check_judges_what_probes_met_and_nothing_where_none_were_asked_for() -> None:
    assert judge("peer-reachable", healthy(), target()) == []
    reaches = (settle(open_raw(), Evidence()), settle(Raw(UDP), Evidence(admits="dropped")))
    found = judge("peer-reachable", healthy(), replace(target(), reaches=reaches))
    assert [each.status for each in found] == [Status.PASS, Status.FAIL]
    assert found[1].remedy == "on w1: nodeprep firewall apply --role worker --posture allow"


@pytest.mark.parametrize(
    ("clock_ms", "rtt_ms", "status"),
    [
        (-300_000.0, 1.0, Status.FAIL),
        (300_000.0, 1.0, Status.FAIL),
        (60_000.0, 1.0, Status.PASS),
        (60_400.0, 1000.0, Status.PASS),
        (60_600.0, 1000.0, Status.FAIL),
    ],
)
def test_a_clock_is_off_by_more_than_the_round_trip_may_explain(
    clock_ms: float, rtt_ms: float, status: Status
) -> None:
    reach = settle(open_raw(clock_ms=clock_ms, rtt_ms=rtt_ms), Evidence())
    (found,) = peers.clocks([reach])
    assert found.status is status
    assert list(peers.clocks([Reach(UDP, Outcome.CLOSED, Layer.NONE, "", Raw(UDP))])) == []


def _wanted(own: Role, peer: Role, cluster: Cluster) -> set[str]:
    there = Peer("p", peer, (ip_address("192.0.2.9"),))
    found = errands(own, (there,), cluster, Version(1, 37), proxy_disabled=False)
    return {each.label for each in found}


FLANNEL = Cluster(cni=CniChoice("flannel", "vxlan"))
EXTERNAL = Cluster(cni=CniChoice("flannel", "vxlan"), external_etcd=True)


@pytest.mark.parametrize(
    ("own", "peer", "cluster", "labels"),
    [
        (Role.WORKER, Role.MULTI_MASTER, FLANNEL, {"6443/tcp", "10250/tcp", "8472/udp"}),
        (
            Role.MULTI_MASTER,
            Role.MULTI_MASTER,
            FLANNEL,
            {"6443/tcp", "2379/tcp", "2380/tcp", "10250/tcp", "8472/udp"},
        ),
        (Role.MULTI_MASTER, Role.WORKER, FLANNEL, {"10250/tcp", "8472/udp"}),
        (Role.WORKER, Role.WORKER, FLANNEL, {"10250/tcp", "8472/udp"}),
        (Role.MULTI_MASTER, Role.ETCD, EXTERNAL, {"2379/tcp"}),
        (Role.ETCD, Role.ETCD, EXTERNAL, {"2379/tcp", "2380/tcp"}),
        (Role.WORKER, Role.ETCD, EXTERNAL, set()),
    ],
)
def test_which_ports_a_role_must_reach(
    own: Role, peer: Role, cluster: Cluster, labels: set[str]
) -> None:
    assert _wanted(own, peer, cluster) == {*labels, "icmp type 8"}


@pytest.mark.parametrize("own", list(Role))
@pytest.mark.parametrize("peer", list(Role))
@pytest.mark.parametrize(
    "cni", ["flannel/vxlan", "calico/ipip", "cilium", "weave", "kube-ovn", "antrea/ipsec"]
)
def test_what_is_probed_is_listened_on(own: Role, peer: Role, cni: str) -> None:
    name, _, mode = cni.partition("/")
    for external in (False, True):
        cluster = Cluster(cni=CniChoice(name, mode), external_etcd=external)
        ports = served(policy(peer, cluster, version=Version(1, 37)))
        assert _wanted(own, peer, cluster) <= {label(name, port) for name, port in ports}


def test_each_family_that_a_peer_has_is_an_errand() -> None:
    both = (ip_address("192.0.2.9"), ip_address("2001:db8::9"))
    cluster = replace(
        FLANNEL, pod_subnets=(ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56"))
    )
    found = errands(
        Role.WORKER, (Peer("p", Role.WORKER, both),), cluster, Version(1, 37), proxy_disabled=False
    )
    assert {(each.label, each.address.version) for each in found} == {
        ("10250/tcp", 4),
        ("10250/tcp", 6),
        ("8472/udp", 4),
        ("8472/udp", 6),
        ("icmp type 8", 4),
        ("icmpv6 type 128", 6),
    }


@pytest.mark.parametrize(
    ("cni", "mode", "labels"),
    [
        ("calico", "ipip", {"protocol 4 (ipip)"}),
        ("antrea", "ipsec", {"protocol 50 (esp)", "protocol 51 (ah)"}),
        ("antrea", "gre", {"protocol 47 (gre)"}),
    ],
)
def test_tunnels_without_ports_are_probed(cni: str, mode: str, labels: set[str]) -> None:
    cluster = Cluster(cni=CniChoice(cni, mode))
    assert labels <= _wanted(Role.WORKER, Role.WORKER, cluster)
    peer = Peer("p", Role.WORKER, (ip_address("192.0.2.9"),))
    assert unprobed(Role.WORKER, (peer,), cluster, Version(1, 37)) == set()


def test_what_no_probe_carries_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with_vrrp = partial(policy, wanted=frozenset({"vrrp"}))
    monkeypatch.setattr("preflight.fleet.reach.plan.policy", with_vrrp)
    peer = Peer("p", Role.MASTER, (ip_address("192.0.2.9"),))
    (told,) = unprobed(Role.MASTER, (peer,), Cluster(), Version(1, 37))
    assert told.startswith("protocol 112 (vrrp): goes to all speakers on the link")
    assert peers.not_probed(told).status is Status.SKIP


@given(st.sampled_from(sorted(FRAMES)), st.binary(min_size=1, max_size=99), st.integers(0, 2**40))
def test_a_frame_comes_off_as_it_went_on(protocol: str, data: bytes, count: int) -> None:
    packet = wrap(protocol, data, count)
    kind = ECHO[protocol][0] if protocol in ECHO else 0
    assert unwrap(protocol, 6, packet, kind=kind) == data
    # Over IPv4 its header is before it, with options or without.
    for words in (5, 15):
        header = bytes([0x40 | words]) + bytes(4 * words - 1)
        assert unwrap(protocol, 4, header + packet, kind=kind) == data
    assert overhead(protocol, 4) == 20 + len(packet) - len(data)


@given(st.sampled_from(sorted(FRAMES)), st.binary(max_size=80), st.sampled_from([4, 6]))
def test_noise_in_a_packet_is_no_error(protocol: str, packet: bytes, family: int) -> None:
    assert len(unwrap(protocol, family, packet)) <= len(packet)


def test_a_tunnel_at_the_peer_takes_no_probe_in() -> None:
    inner = wrap("ipip", b"x" * 10, 1)
    assert checksum(inner[:20]) != 0
    assert (inner[0], inner[12:16], inner[16:20]) == (0x45, b"\x7f\0\0\1", b"\x7f\0\0\1")
    inner6 = wrap("ipv6", b"x" * 10, 1)
    assert inner6[8:24] == inner6[24:40] == ip_address("::1").packed
    # An echo's own checksum is right, or no kernel answers.
    assert checksum(wrap("icmp", b"x" * 11, 5)) == 0


def test_an_echo_that_the_peer_did_not_see_is_somebody_elses() -> None:
    echo = replace(UDP, protocol="icmp", port=0)
    raw = open_raw(echo, forward=0, back=0)
    seen = replace(bound(echo), seen=("icmp type 8",))
    assert settle(raw, Evidence(inventory=seen)).outcome is Outcome.OPEN
    other = settle(raw, Evidence(inventory=bound(echo)))
    assert (other.outcome, other.layer) == (Outcome.WRONG, Layer.NETWORK)
    # One who could not look cannot say that there was nothing.
    for blind in (None, bound(echo, problem="Operation not permitted")):
        assert settle(raw, Evidence(inventory=blind)).outcome is Outcome.OPEN


def test_a_host_that_gives_no_raw_socket_is_unknown_and_no_failure() -> None:
    esp = replace(UDP, protocol="esp", port=0)
    found = settle(Raw(esp, refused="Operation not permitted"), Evidence())
    assert (found.outcome, found.layer) == (Outcome.UNKNOWN, Layer.NONE)
    assert "not probed" in found.detail
    assert peers.judged(found).status is Status.UNKNOWN
    assert peers.judged(found).subject == "w1 protocol 50 (esp) 192.0.2.21"


@pytest.mark.parametrize(("type", "code"), [(3, 2), (3, 3)])
def test_a_protocol_that_nobody_takes_is_closed(type: int, code: int) -> None:
    esp = replace(UDP, protocol="esp", port=0)
    refused = Raw(esp, icmp=icmp("192.0.2.21", type, code))
    assert settle(refused, Evidence()).outcome is Outcome.CLOSED
    there = settle(refused, Evidence(inventory=bound(esp)))
    assert (there.outcome, there.layer) == (Outcome.REJECTED, Layer.PEER_FIREWALL)


class _Silent:
    """A prober of a host that has no ICMP error left at first."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, errand: Errand) -> Raw:
        self.asked.append(errand.label)
        return Raw(errand, sent=3, icmp=icmp("192.0.2.21", 3, 3))


def test_what_is_silent_beside_something_refused_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "ICMP_PAUSE_S", 0)
    other = replace(PEER, name="w2", addresses=(ip_address("192.0.2.22"),))
    elsewhere = replace(UDP, peer=other, address=other.addresses[0])
    raws = [
        Raw(UDP, sent=3),
        Raw(replace(UDP, port=4500), sent=3, icmp=icmp("192.0.2.21", 3, 3)),
        # Nothing was refused there, and this one was answered.
        Raw(elsewhere, sent=3),
        open_raw(TCP),
        # What a router says is no word of the host.
        Raw(replace(elsewhere, port=4500), sent=3, icmp=icmp("192.0.2.1", 3, 13)),
    ]
    prober = _Silent()
    with ThreadPoolExecutor(2) as pool:
        found = run._again(prober, raws, pool)  # type: ignore[arg-type]
    assert prober.asked == ["8472/udp"]
    assert found[0].icmp is not None
    assert found[1:] == raws[1:]


def test_a_fault_that_does_not_last_is_none() -> None:
    class Prober:
        def run(self, errand: Errand) -> Raw:
            return open_raw(errand, answered=0 if errand.port == 1 else 3)

    lasting = Raw(replace(UDP, port=1), sent=3)
    certain = Raw(replace(TCP, port=2), sent=1, reset=True)
    lossy = open_raw(replace(UDP, port=3), sent=10, answered=7)
    narrow = open_raw(replace(UDP, port=4), back=1400)
    fine = open_raw(replace(UDP, port=5))
    with ThreadPoolExecutor(2) as pool:
        found = run._doubted(Prober(), [lasting, certain, lossy, narrow, fine], pool)  # type: ignore[arg-type]
    assert [raw.answered for raw in found] == [0, 0, 3, 3, 3]
    assert found[1] is certain
    assert found[4] is fine
    assert (found[2].sent, found[3].back) == (3, 1500)
