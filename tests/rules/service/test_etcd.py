"""A real service behind the rules: three members of etcd, a worker, and a stranger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from rules.cluster import Role
from tests.kernel import require_kernel
from tests.rules.backend.lab import wait_until
from tests.rules.service.etcd import Member
from tests.rules.service.network import BACKENDS, EVERY_PORT, Network

pytestmark = pytest.mark.kernel
MASTERS = {"m1": "192.0.2.11", "m2": "192.0.2.12", "m3": "192.0.2.13"}
# By family: a master, the stranger, the worker.
ADDRESSES = {
    4: ("192.0.2.11", "192.0.2.99", "192.0.2.21"),
    6: ("2001:db8::11", "2001:db8::99", "2001:db8::21"),
}
# Answers of DHCP servers, whose address a node does not know yet.
DHCP_ONLY = {4: {"tcp": [], "udp": [[68, 68]]}, 6: {"tcp": [], "udp": [[546, 546]]}}
NO_LEADER_FOR_S = 2.5  # each member tries an election after 1 to 2 s (--election-timeout)


@pytest.mark.parametrize("family", [4, 6])
def test_without_rules_every_port_answers_and_with_them_none(network: Network, family: int) -> None:
    target = ADDRESSES[family][0]
    network["m1"].nodeprep("firewall", "remove")
    assert network.scan("stranger", target, "m1") == {"tcp": EVERY_PORT, "udp": EVERY_PORT}
    network.apply(["m1"], "multi-master", "nftables")
    reached(network, family)


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_the_other_backends_let_in_the_same(network: Network, backend: str) -> None:
    network.apply(["m1"], "multi-master", backend)
    reached(network, 4)


def reached(network: Network, family: int) -> None:
    """What the stranger and the worker reach is what the matrix says."""
    target, stranger, worker = ADDRESSES[family]
    assert network.scan("stranger", target, "m1") == DHCP_ONLY[family]
    assert network.admitted(Role.MULTI_MASTER, stranger) == DHCP_ONLY[family]
    found = network.scan("w1", target, "m1")
    assert found == network.admitted(Role.MULTI_MASTER, worker)
    assert found["tcp"] == [[6443, 6443], [10250, 10250]]


@pytest.fixture
def members(network: Network) -> Iterator[dict[str, Member]]:
    """Not started. In the end none of them runs."""
    require_kernel("etcd", "etcdctl")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(closing(Member(network[name], name, MASTERS)))
            for name in MASTERS
        }


def test_etcd_elects_writes_and_survives_a_restart(
    network: Network, members: dict[str, Member]
) -> None:
    one = members["m1"]
    # With the rules of a worker no member reaches another: these rules decide about it.
    network.apply(MASTERS, "worker", "nftables")
    for member in members.values():
        member.start()
    wait_until(lambda: all(member.has_leader() is False for member in members.values()))
    time.sleep(NO_LEADER_FOR_S)
    assert [member.has_leader() for member in members.values()] == [False] * 3, one.log()

    assert all(done["changed"] for done in network.apply(MASTERS, "multi-master", "nftables"))
    wait_until(lambda: all(member.has_leader() for member in members.values()))
    for count, member in enumerate(members.values()):
        member.put("key", str(count), through=MASTERS["m3"])
        assert one.get("key", through=member.address) == str(count)

    # The leader goes: the others elect again.
    ids = {member.name: member.ids() for member in members.values()}
    (leader,) = {known for _, known in ids.values()}
    gone = next(member for member in members.values() if ids[member.name][0] == leader)
    left = [member for member in members.values() if member is not gone]
    gone.kill()
    wait_until(lambda: all(member.ids()[1] not in (0, leader) for member in left))
    left[0].put("key", "written without it", through=left[1].address)
    gone.start()
    wait_until(gone.has_leader)
    wait_until(lambda: gone.holds("key") == "written without it")
    gone.put("key", "written by it", through="127.0.0.1")
    assert left[1].get("key", through="127.0.0.1") == "written by it"

    # The same members under the other backends, while they run; the stranger reaches none of them.
    for backend in BACKENDS[1:]:
        network.apply(MASTERS, "multi-master", backend)
        one.put("backend", backend, through=MASTERS["m2"])
        assert members["m3"].get("backend", through=MASTERS["m1"]) == backend
    for name, address in MASTERS.items():
        assert network.scan("stranger", address, name) == DHCP_ONLY[4]


def test_members_that_run_do_not_notice_their_first_rules(
    network: Network, members: dict[str, Member]
) -> None:
    # No rule, so that no connection is tracked: those of the members are open already.
    for name, member in members.items():
        network[name].nodeprep("firewall", "remove")
        member.start()
    wait_until(lambda: all(member.has_leader() for member in members.values()))
    one = members["m1"]
    one.put("rules", "none", through=MASTERS["m2"])
    # Each of them with another backend.
    with ThreadPoolExecutor() as pool:
        pairs = zip(MASTERS, BACKENDS, strict=True)
        list(pool.map(lambda pair: network.apply(pair[:1], "multi-master", pair[1]), pairs))
    for member in members.values():
        one.put("rules", f"those of {member.name}", through=member.address)
