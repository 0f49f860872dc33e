from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from preflight.checks.names import leads_home
from preflight.facts.model import Facts, Known, Unknown, known
from preflight.facts.model.identity import NameLookup
from preflight.facts.model.network import ResolvConf
from preflight.facts.model.runtime import Kubelet, Runtime
from preflight.finding import Finding, Status
from preflight.settings import KubeletSettings, Settings
from rules.cluster import Role
from rules.version import Version
from tests.nodes import healthy, identity, judge, runtime, target

ETC, UPSTREAM = "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"
STUB = "/run/systemd/resolve/stub-resolv.conf"


def _file(*servers: str, path: str = ETC, search: tuple[str, ...] = ()) -> ResolvConf:
    return ResolvConf(path, path, servers, search)


def _with(
    node: Known[ResolvConf],
    upstream: Known[ResolvConf | None] = None,
    active: Known[bool] = False,
) -> Facts:
    facts = healthy()
    network = replace(
        known(facts.network),
        resolv_conf=node,
        upstream_resolv_conf=upstream,
        resolved_active=active,
    )
    # No kubelet of the node's own says which file it wants, unless a test adds one.
    return replace(facts, network=network, runtime=Unknown("failed", "left out"))


def _resolved(*servers: str) -> Facts:
    """A machine with systemd-resolved, its stub in /etc and ``servers`` behind it."""
    return _with(ResolvConf(ETC, STUB, ("127.0.0.53",)), _file(*servers, path=UPSTREAM), True)


def _found(id: str, facts: Facts, settings: Settings | None = None) -> list[Finding]:
    return judge(id, facts, target(settings=settings))


def _statuses(id: str, facts: Facts, settings: Settings | None = None) -> dict[str, Status]:
    return {found.subject: found.status for found in _found(id, facts, settings)}


@pytest.mark.parametrize(
    ("servers", "status"),
    [
        ((), Status.FAIL),
        (("192.0.2.53",), Status.PASS),
        (("192.0.2.53", "2001:db8::53", "192.0.2.54"), Status.PASS),
        (("192.0.2.53", "2001:db8::53", "192.0.2.54", "192.0.2.55"), Status.FAIL),
        (("dns.example.net",), Status.FAIL),
        (("fe80::1%eth0",), Status.WARN),
        (("fe80::1%eth0", "192.0.2.53"), Status.PASS),
        (("127.0.0.1",), Status.PASS),
    ],
)
def test_one_to_three_name_servers(servers: tuple[str, ...], status: Status) -> None:
    assert _statuses("dns-resolvers", _with(_file(*servers))) == {ETC: status}


def test_a_file_that_is_not_there_names_nobody() -> None:
    (found,) = _found("dns-resolvers", _with(ResolvConf(ETC, "", ())))
    assert found.status is Status.FAIL
    assert found.remedy.endswith(" into /etc/resolv.conf, after: rm -f /etc/resolv.conf")


def test_the_upstream_file_of_resolved_is_judged_too() -> None:
    assert _statuses("dns-resolvers", _resolved("192.0.2.53")) == {
        ETC: Status.PASS,
        UPSTREAM: Status.PASS,
    }
    assert _statuses("dns-resolvers", _resolved()) == {ETC: Status.PASS, UPSTREAM: Status.FAIL}
    missing = _with(ResolvConf(ETC, STUB, ("127.0.0.53",)), None, True)
    assert _statuses("dns-resolvers", missing) == {ETC: Status.PASS, UPSTREAM: Status.FAIL}


def test_one_file_under_two_paths_is_judged_once() -> None:
    linked = _with(
        ResolvConf(ETC, UPSTREAM, ("192.0.2.53",)), _file("192.0.2.53", path=UPSTREAM), True
    )
    assert _statuses("dns-resolvers", linked) == {ETC: Status.PASS}


def test_an_etcd_member_has_the_node_s_own_file_only() -> None:
    (found,) = judge("dns-resolvers", _resolved(), target(Role.ETCD))
    assert (found.subject, found.status) == (ETC, Status.PASS)


def test_what_may_not_be_read_is_unknown_once() -> None:
    refused = Unknown("denied", f"{ETC} may not be read")
    assert _statuses("dns-resolvers", _with(refused)) == {ETC: Status.UNKNOWN}
    assert _statuses("dns-resolvers", _with(_file("192.0.2.53"), None, refused)) == {
        ETC: Status.PASS,
        "kubelet": Status.UNKNOWN,
    }


@pytest.mark.parametrize(
    ("version", "domains", "status"),
    [
        (Version(1, 25), 3, Status.PASS),
        (Version(1, 25), 4, Status.WARN),
        (Version(1, 26), 4, Status.PASS),
        (Version(1, 37), 29, Status.PASS),
        (Version(1, 37), 30, Status.WARN),
    ],
)
def test_search_domains_of_a_pod(version: Version, domains: int, status: Status) -> None:
    search = tuple(f"d{number}.example" for number in range(domains))
    facts = _with(_file("192.0.2.53", search=search))
    (found,) = judge("dns-resolvers", facts, target(version=version))
    assert found.status is status


@pytest.mark.parametrize(("length", "status"), [(2048, Status.PASS), (2049, Status.WARN)])
def test_the_length_of_the_search_list(length: int, status: Status) -> None:
    facts = _with(_file("192.0.2.53", search=("a" * length,)))
    assert _statuses("dns-resolvers", facts) == {ETC: status}


@pytest.mark.parametrize(
    ("address", "home"),
    [
        ("127.0.0.53", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:0.0.0.0", True),
        ("::", True),
        ("192.0.2.53", False),
        ("fe80::1%eth0", False),
    ],
)
def test_addresses_that_are_the_asking_machine(address: str, home: bool) -> None:
    assert leads_home(ip_address(address)) is home


STUB_IN_ETC = ResolvConf(ETC, STUB, ("127.0.0.53",))


@pytest.mark.parametrize(
    ("node", "upstream", "active", "status"),
    [
        (_file("192.0.2.53"), None, False, Status.PASS),
        (_file("127.0.0.1"), None, False, Status.WARN),
        (_file("192.0.2.53", "::1"), None, False, Status.WARN),
        (STUB_IN_ETC, _file("192.0.2.53", path=UPSTREAM), True, Status.PASS),
        (STUB_IN_ETC, _file("127.0.0.1", path=UPSTREAM), True, Status.WARN),
        (STUB_IN_ETC, _file(path=UPSTREAM), True, Status.SKIP),
        (STUB_IN_ETC, _file("192.0.2.53", path=UPSTREAM), False, Status.WARN),
        (Unknown("denied", f"{ETC} may not be read"), None, False, Status.UNKNOWN),
        (_file("192.0.2.53"), None, Unknown("timeout", "late"), Status.UNKNOWN),
    ],
)
def test_the_kubelet_s_file_names_no_loopback_server(
    node: Known[ResolvConf],
    upstream: Known[ResolvConf | None],
    active: Known[bool],
    status: Status,
) -> None:
    (found,) = _found("dns-loop", _with(node, upstream, active))
    assert found.status is status


def test_the_remedy_for_a_loop_names_the_file_that_is_there() -> None:
    (found,) = _found("dns-loop", _with(STUB_IN_ETC, _file("192.0.2.53", path=UPSTREAM)))
    assert found.remedy == f"set resolvConf: {UPSTREAM} in the KubeletConfiguration"
    (found,) = _found("dns-loop", _with(STUB_IN_ETC, _file("127.0.0.1", path=UPSTREAM)))
    assert "and put the line `nameserver ADDRESS`" in found.remedy


def test_configuration_chooses_the_kubelet_s_file() -> None:
    wanted = Settings(kubelet=KubeletSettings(resolv_conf=UPSTREAM))
    stub = ResolvConf(ETC, STUB, ("127.0.0.53",))
    facts = _with(stub, _file("192.0.2.53", path=UPSTREAM))
    (found,) = _found("dns-loop", facts, wanted)
    assert found.status is Status.PASS
    own = Settings(kubelet=KubeletSettings(resolv_conf="/etc/kubernetes/resolv.conf"))
    (found,) = _found("dns-loop", facts, own)
    assert found.status is Status.UNKNOWN
    nothing = Settings(kubelet=KubeletSettings(resolv_conf=""))
    (found,) = _found("dns-loop", facts, nothing)
    assert found.status is Status.SKIP


def test_the_kubelet_on_the_node_chooses_where_configuration_does_not() -> None:
    facts = _with(STUB_IN_ETC, _file("192.0.2.53", path=UPSTREAM))
    (found,) = _found("dns-loop", replace(facts, runtime=_kubelet(UPSTREAM)))
    assert found.status is Status.PASS
    (found,) = _found("dns-loop", replace(facts, runtime=_kubelet(None)))
    assert found.status is Status.WARN
    said = Settings(kubelet=KubeletSettings(resolv_conf=ETC))
    (found,) = _found("dns-loop", replace(facts, runtime=_kubelet(UPSTREAM)), said)
    assert found.status is Status.WARN


def _kubelet(resolv_conf: str | None) -> Runtime:
    facts = known(runtime.healthy())
    kubelet = Kubelet("/usr/bin/kubelet", "v1.37.0", "enabled", False, resolv_conf=resolv_conf)
    return replace(facts, kubelet=kubelet)


def test_an_etcd_member_has_no_pods() -> None:
    (found,) = judge("dns-loop", _with(_file("127.0.0.1")), target(Role.ETCD))
    assert found.status is Status.SKIP


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        (("127.0.0.1",), Status.PASS),
        (("127.0.0.1", "::1"), Status.PASS),
        (("192.0.2.11",), Status.FAIL),
        (("127.0.0.1", "192.0.2.11"), Status.FAIL),
        ((), Status.FAIL),
    ],
)
def test_localhost_leads_to_loopback(addresses: tuple[str, ...], status: Status) -> None:
    lookup = NameLookup("localhost", tuple(ip_address(item) for item in addresses))
    facts = replace(healthy(), identity=replace(identity.healthy(), localhost_lookup=lookup))
    (found,) = _found("localhost-resolves", facts)
    assert found.status is status
    assert bool(found.remedy) is (status is Status.FAIL)


def test_an_unreadable_hosts_file_leaves_localhost_unknown() -> None:
    refused = Unknown("denied", "/etc/hosts may not be read")
    facts = replace(healthy(), identity=replace(identity.healthy(), localhost_lookup=refused))
    (found,) = _found("localhost-resolves", facts)
    assert found.status is Status.UNKNOWN
