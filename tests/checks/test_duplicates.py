from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.facts.model import Unknown
from preflight.facts.model.network import Address, DuplicateProbe, Interface, Lease
from preflight.settings import Settings
from rules.cluster import Cluster
from tests.nodes import healthy, judge, target
from tests.nodes import identity as identity_node
from tests.nodes import network as node
from tests.nodes.network import MAC, address, eth0, interface, loopback

DUAL = target(settings=Settings(cluster=Cluster(pod_subnets=(ip_network("fd00:10:244::/56"),))))


def verdicts(id: str, *, dmi: dict[str, str] | None = None, **values: Any) -> dict[str, str]:
    identity = identity_node.healthy()
    facts = replace(
        healthy(),
        network=replace(node.healthy(), **values),
        identity=replace(identity, dmi=identity.dmi if dmi is None else dmi),
    )
    return {item.subject: item.status.value for item in judge(id, facts, DUAL)}


def probed(owner: str) -> dict[str, str]:
    probe = DuplicateProbe("eth0", ip_address("192.0.2.11"), owner, 3)
    return verdicts("address-duplicate", duplicate_probes=(probe,))


def test_who_answers() -> None:
    assert probed("") == {"192.0.2.11": "pass"}
    assert probed("02:00:00:00:00:ff") == {"192.0.2.11": "fail"}
    assert probed(MAC) == {"192.0.2.11": "fail"}
    # The gateway's MAC, and Azure's switch, which answers for everybody.
    assert probed("52:54:00:aa:bb:01") == {"192.0.2.11": "unknown"}
    assert probed("12:34:56:78:9a:bc") == {"192.0.2.11": "unknown"}


@pytest.mark.parametrize(
    ("reason", "status"), [("not-asked", "skip"), ("denied", "unknown"), ("failed", "unknown")]
)
def test_not_probed(reason: str, status: str) -> None:
    unknown = Unknown(reason, "why")
    assert verdicts("address-duplicate", duplicate_probes=unknown) == {"IPv4": status}


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ((), "pass"),
        (("dadfailed", "tentative"), "fail"),
        (("tentative",), "unknown"),
        (("nodad",), "skip"),
    ],
)
def test_ipv6(flags: tuple[str, ...], status: str) -> None:
    item = replace(eth0(), addresses=(address("2001:db8::11/64", *flags),))
    found = verdicts("address-duplicate", interfaces=(item,), duplicate_probes=())
    assert found == {"2001:db8::11": status}


def test_without_a_carrier_detection_does_not_end() -> None:
    item = replace(eth0(), carrier=False, addresses=(address("2001:db8::11/64", "tentative"),))
    assert verdicts("address-duplicate", interfaces=(item,), duplicate_probes=()) == {}


def leased(item: Address, **values: Any) -> dict[str, str]:
    card: Interface = replace(eth0(), addresses=(item,))
    return verdicts("address-lease", interfaces=(loopback(), card), **values)


def test_static() -> None:
    assert leased(address("192.0.2.11/24")) == {"": "pass"}


def test_leased_by_flag_or_file() -> None:
    assert leased(address("192.0.2.11/24", "dynamic", valid_s=3600)) == {"eth0": "warn"}
    lease = Lease("eth0", ip_address("192.0.2.11"), "dhclient")
    assert leased(address("192.0.2.11/24"), leases=(lease,)) == {"eth0": "warn"}
    assert leased(address("192.0.2.12/24"), leases=(lease,)) == {"": "pass"}
    assert leased(address("2001:db8::11/128", "dynamic", valid_s=3600)) == {"eth0": "warn"}


def test_addresses_that_a_router_announces_stay() -> None:
    assert leased(address("2001:db8::11/64", "dynamic", "mngtmpaddr")) == {"": "pass"}
    assert leased(address("fe80::1/64", "dynamic", scope="link")) == {"": "pass"}


@pytest.mark.parametrize(
    ("dmi", "status"),
    [
        ({"sys_vendor": "Amazon EC2"}, "pass"),
        ({"sys_vendor": "Google"}, "pass"),
        ({"chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77"}, "pass"),
        ({"sys_vendor": "OpenStack Foundation"}, "pass"),
        ({"sys_vendor": "Microsoft Corporation"}, "warn"),
        ({"sys_vendor": "QEMU"}, "warn"),
        ({}, "warn"),
    ],
)
def test_clouds_keep_it(dmi: dict[str, str], status: str) -> None:
    assert leased(address("192.0.2.11/24", "dynamic"), dmi=dmi) == {"eth0": status}


def test_unknown_leases_do_not_hide_the_flag() -> None:
    unknown = Unknown("denied", "/var/lib/dhclient may not be read")
    assert leased(address("192.0.2.11/24"), leases=unknown) == {"": "unknown"}
    found = leased(address("192.0.2.11/24", "dynamic"), leases=unknown)
    assert found == {"eth0": "warn", "": "unknown"}


def test_containers_bridges_do_not_count() -> None:
    bridge = replace(interface("docker0", 5, hardware=False), kind="bridge")
    given = replace(bridge, addresses=(address("172.17.0.1/16", "dynamic"),))
    assert verdicts("address-lease", interfaces=(eth0(), given)) == {"": "pass"}
