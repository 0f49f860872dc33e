from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest

from preflight.checks.hostname import is_unset, name_problem, usable_form
from preflight.checks.hostsfile import add_to_hosts, take_from_hosts
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.identity import NameLookup
from preflight.facts.model.network import Address
from preflight.finding import Finding, Status
from preflight.settings import Settings
from rules.cluster import Cluster, Node, Role
from tests.nodes import healthy, identity, judge, system, target

NAME_CHECKS = (
    "hostname-set",
    "hostname-valid",
    "hostname-resolves",
    "hostname-persistent",
    "hostname-unique",
)


def _with(**changes: Any) -> Facts:
    return replace(healthy(), identity=replace(identity.healthy(), **changes))


def _one(id: str, facts: Facts, settings: Settings | None = None) -> Finding:
    (found,) = judge(id, facts, target(settings=settings))
    assert isinstance(found, Finding)
    return found


def _statuses(facts: Facts) -> dict[str, Status]:
    return {id: _one(id, facts).status for id in NAME_CHECKS}


def _lookup(*addresses: str, source: str = "/etc/hosts", name: str = "m1") -> NameLookup:
    error = "" if addresses else "the name is not known"
    return NameLookup(name, tuple(ip_address(item) for item in addresses), error, source)


def test_a_good_name_passes_everywhere() -> None:
    assert set(_statuses(healthy()).values()) == {Status.PASS}


@pytest.mark.parametrize("role", list(Role))
def test_a_good_name_passes_for_every_role(role: Role) -> None:
    for id in NAME_CHECKS:
        (found,) = judge(id, healthy(), target(role))
        assert found.status is Status.PASS


@pytest.mark.parametrize(
    "name",
    ["", "(none)", "localhost", "LOCALHOST", "localhost.localdomain", "localhost6.localdomain6"],
)
def test_a_machine_without_a_name_is_found_by_one_check(name: str) -> None:
    statuses = _statuses(_with(hostname=name))
    assert statuses.pop("hostname-set") is Status.FAIL
    assert set(statuses.values()) == {Status.SKIP}


@pytest.mark.parametrize("name", ["localhosts", "local", "m1.localhost.example"])
def test_names_that_look_like_localhost_are_names(name: str) -> None:
    assert not is_unset(name)


@pytest.mark.parametrize(
    "name",
    [
        "M1",
        "m_1",
        "-m1",
        "m1-",
        "m1.",
        ".m1",
        "m1..example",
        "knöten",
        "m1 x",
        "a" * 64,
        f"{'a' * 31}.{'b' * 32}",
    ],
)
def test_a_name_that_kubernetes_refuses_is_found_by_one_check(name: str) -> None:
    statuses = _statuses(_with(hostname=name))
    assert statuses.pop("hostname-valid") is Status.FAIL
    assert statuses.pop("hostname-set") is Status.PASS
    assert set(statuses.values()) == {Status.SKIP}


@pytest.mark.parametrize("name", ["m1", "1", "0a-b.c-d", "a" * 63, f"{'a' * 31}.{'b' * 31}"])
def test_names_up_to_63_characters_pass(name: str) -> None:
    assert name_problem(name) == ""


def test_the_length_of_a_node_s_name_is_63_and_of_another_machine_s_253() -> None:
    long = ".".join(["a" * 62] * 4)
    assert "over 63" in name_problem(long)
    assert name_problem(long + "a", runs_kubelet=False) == ""
    assert name_problem(long + ".a", runs_kubelet=False) == ""
    assert name_problem(long + ".aa", runs_kubelet=False) == "is 254 characters long, over 253"
    (found,) = judge("hostname-valid", _with(hostname=long), target(Role.ETCD))
    assert found.status is Status.PASS


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("M1.Example.NET", "m1.example.net"),
        ("my_node", "my-node"),
        ("a" * 64, "a" * 63),
        (f"{'a' * 40}.{'b' * 40}", "a" * 40),
        ("-", ""),
    ],
)
def test_the_nearest_name_that_is_taken(name: str, better: str) -> None:
    assert usable_form(name) == better


def test_remedies_quote_and_fit_the_init_system() -> None:
    assert _one("hostname-valid", _with(hostname="M1")).remedy == "hostnamectl set-hostname m1"
    facts = replace(_with(hostname="M1"), system=replace(system.healthy(), systemd=False))
    assert (
        _one("hostname-valid", facts).remedy == "printf '%s\\n' m1 > /etc/hostname && hostname m1"
    )
    facts = _with(etc_hostname="$(reboot)")
    assert "$(reboot)" not in _one("hostname-persistent", facts).remedy


def test_a_machine_without_a_name_is_given_the_cluster_s_or_one_of_its_address() -> None:
    facts = _with(hostname="localhost")
    assert _one("hostname-set", facts).remedy == "hostnamectl set-hostname node-192-0-2-11"
    node = Node("web-1", Role.MASTER, (ip_address("192.0.2.11"),))
    settings = Settings(cluster=Cluster(nodes=(node,)))
    assert _one("hostname-set", facts, settings).remedy == "hostnamectl set-hostname web-1"


def test_a_configured_name_counts_in_the_host_name_s_place() -> None:
    facts = _with(hostname="localhost")
    assert _one("hostname-set", facts, Settings(node_name="m1")).status is Status.PASS
    found = _one("hostname-valid", healthy(), Settings(node_name="M_1"))
    assert found.status is Status.FAIL
    assert found.remedy.startswith("set nodeRegistration.name to m-1")


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        (("192.0.2.11",), Status.PASS),
        (("127.0.1.1", "192.0.2.11"), Status.PASS),
        (("127.0.1.1",), Status.WARN),
        (("127.0.0.1", "::1"), Status.WARN),
        (("192.0.2.99",), Status.WARN),
        (("192.0.2.11", "192.0.2.99"), Status.WARN),
        ((), Status.WARN),
    ],
)
def test_the_name_leads_to_this_node(addresses: tuple[str, ...], status: Status) -> None:
    found = _one("hostname-resolves", _with(hostname_lookup=_lookup(*addresses)))
    assert found.status is status
    if status is Status.WARN:
        assert "192.0.2.11 m1" in found.remedy


def test_a_foreign_answer_of_a_name_server_is_found_once() -> None:
    foreign = _lookup("192.0.2.99", source="name service")
    server = _lookup("192.0.2.99", source="name server", name="m1.example.net")
    facts = _with(hostname_lookup=foreign, name_server_lookup=server)
    assert _one("hostname-resolves", facts).status is Status.SKIP
    assert _one("hostname-unique", facts).status is Status.FAIL
    facts = _with(hostname_lookup=foreign, name_server_lookup=_lookup(source="name server"))
    assert _one("hostname-resolves", facts).status is Status.WARN
    assert _one("hostname-unique", facts).status is Status.PASS


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        ((), Status.PASS),
        (("192.0.2.11",), Status.PASS),
        (("127.0.1.1",), Status.PASS),
        (("192.0.2.99",), Status.FAIL),
        (("192.0.2.11", "192.0.2.99"), Status.WARN),
        # Global: it may be what a router translates to this node, which has none such.
        (("8.8.8.8",), Status.WARN),
        (("8.8.8.8", "192.0.2.99"), Status.FAIL),
    ],
)
def test_a_name_server_gives_the_name_to_nobody_else(
    addresses: tuple[str, ...], status: Status
) -> None:
    answer = _lookup(*addresses, source="name server", name="m1.example.net")
    assert _one("hostname-unique", _with(name_server_lookup=answer)).status is status


def test_a_node_with_a_public_address_is_not_behind_a_router() -> None:
    facts = _with(name_server_lookup=_lookup("8.8.8.8", source="name server"))
    network = known(facts.network)
    interfaces = list(known(network.interfaces))
    place = next(n for n, item in enumerate(interfaces) if not item.loopback)
    public = Address(ip_interface("8.8.4.4/24"), "global")
    interfaces[place] = replace(interfaces[place], addresses=(*interfaces[place].addresses, public))
    facts = replace(facts, network=replace(network, interfaces=tuple(interfaces)))
    assert _one("hostname-unique", facts).status is Status.FAIL


@pytest.mark.parametrize(
    ("id", "name"),
    [("hostname-resolves", "hostname_lookup"), ("hostname-unique", "name_server_lookup")],
)
@pytest.mark.parametrize(
    ("reason", "status"),
    [("not-asked", Status.SKIP), ("timeout", Status.UNKNOWN), ("failed", Status.UNKNOWN)],
)
def test_a_name_that_was_not_asked_for_is_told_from_one_without_an_answer(
    id: str, name: str, reason: str, status: Status
) -> None:
    found = _one(id, _with(**{name: Unknown(reason, "why")}))
    assert found.status is status
    # What could not be asked is told with what to do about it.
    assert ("name server" in found.remedy) is (status is Status.UNKNOWN)


def test_the_lookup_of_another_name_is_no_answer() -> None:
    settings = Settings(node_name="web-1")
    assert _one("hostname-resolves", healthy(), settings).status is Status.UNKNOWN
    assert _one("hostname-unique", healthy(), settings).status is Status.UNKNOWN


def test_unknown_interfaces_leave_it_unknown() -> None:
    facts = healthy()
    facts = replace(
        facts, network=replace(known(facts.network), interfaces=Unknown("failed", "no ip here"))
    )
    assert _one("hostname-resolves", facts).status is Status.UNKNOWN
    assert _one("hostname-set", facts).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"etc_hostname": "old"}, "/etc/hostname"),
        ({"etc_hostname": None}, "/etc/hostname"),
        ({"etc_hostname": ""}, "/etc/hostname"),
        ({"cloud_hostname": "ip-10-0-0-5"}, "cloud-init"),
    ],
)
def test_a_name_that_the_next_boot_takes_away(changes: dict[str, str], subject: str) -> None:
    found = _one("hostname-persistent", _with(**changes))
    assert (found.status, found.subject) == (Status.WARN, subject)


def test_each_place_that_sets_the_name_is_judged_for_itself() -> None:
    facts = _with(etc_hostname=Unknown("denied", "no"), cloud_hostname="other")
    found = judge("hostname-persistent", facts)
    assert [(item.subject, item.status) for item in found] == [
        ("/etc/hostname", Status.UNKNOWN),
        ("cloud-init", Status.WARN),
    ]
    (found_one,) = judge("hostname-persistent", _with(cloud_hostname="m1"))
    assert found_one.status is Status.PASS


@pytest.mark.skipif(shutil.which("sed") is None, reason="sed is not installed")
def test_the_commands_change_the_one_name_in_etc_hosts(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.1.1 m1.example.net M1\n192.0.2.9 m1 m10 xm1\n")
    script = f"{take_from_hosts('m1')} && {add_to_hosts('192.0.2.11 m1')}"
    subprocess.run(["sh", "-c", script.replace("/etc/hosts", str(hosts))], check=True)
    assert [line.split() for line in hosts.read_text().splitlines() if line] == [
        ["127.0.0.1", "localhost"],
        ["127.0.1.1", "m1.example.net"],
        ["192.0.2.9", "m10", "xm1"],
        ["192.0.2.11", "m1"],
    ]
