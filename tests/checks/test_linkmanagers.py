"""Who would take the pod network's interfaces."""

from __future__ import annotations

from dataclasses import replace

from preflight.facts.model import Unknown, known
from preflight.facts.model.network import LinkManager, LinkRule
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice
from tests.nodes import healthy, judge, target


def statuses(*managers: LinkManager, cni: str = "calico") -> dict[str, str]:
    facts = healthy()
    facts = replace(facts, network=replace(known(facts.network), link_managers=managers))
    settings = Settings(cluster=Cluster(cni=CniChoice(cni)))
    found = judge("cni-links-unmanaged", facts, target(settings=settings))
    return {each.subject: each.status.value for each in found}


def test_networkmanager_takes_what_it_is_not_told_to_leave() -> None:
    nothing = LinkManager("NetworkManager", (), claims_unnamed=True)
    assert statuses(nothing) == {"NetworkManager": "warn"}
    some = LinkRule("x", ("cali*",), managed=False)
    assert statuses(replace(nothing, rules=(some,))) == {"NetworkManager": "warn"}
    rest = LinkRule("y", ("veth*", "tunl*", "vxlan*.calico", "wireguard.cali"), managed=False)
    assert statuses(replace(nothing, rules=(some, rest))) == {"NetworkManager": "pass"}


def test_networkd_takes_what_the_first_matching_file_says() -> None:
    none = LinkManager("systemd-networkd", (LinkRule("x", ("eth*",), managed=True),))
    assert statuses(none) == {"systemd-networkd": "pass"}
    broad = LinkRule("50", ("*",), managed=True)
    assert statuses(replace(none, rules=(broad,))) == {"systemd-networkd": "warn"}
    first = LinkRule("00", ("cni0", "veth*"), managed=False)
    assert statuses(replace(none, rules=(first, broad)), cni="bridge") == {
        "systemd-networkd": "pass"
    }
    inverted = LinkRule("50", ("eth*",), managed=True, inverted=True)
    assert statuses(replace(none, rules=(inverted,))) == {"systemd-networkd": "warn"}


def test_foreign_routes() -> None:
    manager = LinkManager("systemd-networkd", (), removes_foreign=("ManageForeignRoutes",))
    assert statuses(manager) == {"systemd-networkd": "pass", "foreign routes": "warn"}


def test_nobody_runs_and_nobody_looked() -> None:
    assert statuses() == {"": "pass"}
    facts = healthy()
    network = replace(known(facts.network), link_managers=Unknown("failed", "x"))
    (found,) = judge("cni-links-unmanaged", replace(facts, network=network))
    assert found.status.value == "unknown"
