from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.firewall import FilterTable, Firewall
from preflight.finding import Finding, Status
from rules.cluster import Role
from tests.nodes import healthy, judge, target
from tests.nodes.firewall import firewall, table

DENIED = Unknown("denied", "the kernel's list may not be read")


def facts(*tables: FilterTable, **changes: Any) -> Facts:
    return replace(healthy(), firewall=replace(firewall(*tables), **changes))


def single(node: Facts) -> Finding:
    (found,) = judge("firewall-single-backend", node)
    assert isinstance(found, Finding)
    return found


LEGACY = table("iptables-legacy", hand=2)
NFT = table("nft", "firewalld", "inet", firewalld=7)


@pytest.mark.parametrize("role", list(Role))
def test_no_rules(role: Role) -> None:
    (found,) = judge("firewall-single-backend", healthy(), target(role))
    assert (found.status, found.message) == (Status.PASS, "no packet filter holds rules")


@pytest.mark.parametrize(
    "tables", [(LEGACY,), (NFT,), (NFT, table("iptables-nft", docker=3))], ids=str
)
def test_rules_in_one(tables: tuple[FilterTable, ...]) -> None:
    found = single(facts(*tables))
    assert found.status is Status.PASS
    assert tables[0].label in found.message


def test_empty_tables_do_not_count() -> None:
    assert single(facts(NFT, table("iptables-legacy"))).status is Status.PASS
    assert single(facts(LEGACY, table("iptables-nft"))).status is Status.PASS


def test_a_policy_that_drops_counts_without_a_rule() -> None:
    dropping = table("iptables-legacy", drop="INPUT")
    assert single(facts(NFT, dropping)).status is Status.FAIL
    assert single(facts(LEGACY, table("iptables-nft", drop="FORWARD"))).status is Status.FAIL


def test_rules_in_both() -> None:
    nat = table("ip6tables-legacy", "nat", libvirt=1)
    found = single(facts(NFT, table("iptables-legacy", drop="INPUT", hand=2), nat))
    assert found.status is Status.FAIL
    assert found.message == (
        "both packet filters hold rules: ip filter (iptables-legacy), ip6 nat (ip6tables-legacy) "
        "and inet firewalld (nft)"
    )
    assert found.observed == "3 legacy, 7 nf_tables"
    assert found.remedy == (
        "iptables-legacy-save > /root/iptables-legacy.rules && "
        "iptables-nft-restore --noflush < /root/iptables-legacy.rules && "
        "iptables-legacy -t filter -P INPUT ACCEPT && iptables-legacy -t filter -F && "
        "iptables-legacy -t filter -X && "
        "ip6tables-legacy-save > /root/ip6tables-legacy.rules && "
        "ip6tables-nft-restore --noflush < /root/ip6tables-legacy.rules && "
        "ip6tables-legacy -t nat -F && ip6tables-legacy -t nat -X"
    )


def test_a_host_whose_iptables_is_legacy_is_switched_first() -> None:
    found = single(facts(NFT, LEGACY, iptables_version="iptables v1.8.4 (legacy)"))
    assert found.remedy.startswith("update-alternatives --set iptables /usr/sbin/iptables-nft && ")


def test_names_of_other_machines_are_quoted() -> None:
    hostile = table("iptables-legacy", "x; reboot", drop="INPUT")
    assert "-t 'x; reboot' -P INPUT ACCEPT" in single(facts(NFT, hostile)).remedy


@pytest.mark.parametrize(
    ("tables", "legacy", "status"),
    [
        (DENIED, DENIED, Status.UNKNOWN),
        (DENIED, (LEGACY,), Status.UNKNOWN),
        ((NFT,), DENIED, Status.UNKNOWN),
        # An empty one is enough: the other cannot fight it.
        (DENIED, (), Status.PASS),
        ((), DENIED, Status.PASS),
    ],
)
def test_what_cannot_be_read(tables: object, legacy: object, status: Status) -> None:
    found = single(facts(tables=tables, legacy_tables=legacy))
    assert found.status is status
    assert found.remedy == ("run nodeprep as root" if status is Status.UNKNOWN else "")


def test_nothing_is_known() -> None:
    assert single(replace(healthy(), firewall=DENIED)).status is Status.UNKNOWN
    assert isinstance(healthy().firewall, Firewall)
