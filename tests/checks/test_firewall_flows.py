"""firewall-admits, firewall-forwards, firewall-owner: what lets in, what drops, what is unknown."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.firewall import FilterTable, RulesetText
from preflight.settings import Settings
from preflight.target import Phase, Target
from rules.cluster import Cluster, CniChoice, Node, Role, Sources
from tests.nodes import healthy, judge, target
from tests.nodes.firewall import firewall, table

_SAVE = (
    "*filter\n:INPUT {policy} [0:0]\n:FORWARD {policy} [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}\n"
    "COMMIT\n"
)
_CLUSTER = Cluster(
    pod_subnets=(ip_network("10.244.0.0/16"),),
    nodes=(
        Node("m1", Role.MULTI_MASTER, (ip_address("192.0.2.11"),)),
        Node("m2", Role.MULTI_MASTER, (ip_address("192.0.2.12"),)),
        Node("w1", Role.WORKER, (ip_address("192.0.2.21"),)),
    ),
    sources=Sources(admins=(ip_network("198.51.100.0/24"),)),
)


def node(*rules: str, policy: str = "DROP", tool: str = "iptables-nft", **changes: Any) -> Facts:
    text = _SAVE.format(policy=policy, rules="\n".join(f"-A {rule}" for rule in rules))
    value = replace(firewall(), rulesets=(RulesetText(tool, text),), **changes)
    return replace(healthy(), firewall=value)


def wanted(role: Role = Role.WORKER, cluster: Cluster = _CLUSTER, **changes: Any) -> Target:
    return target(role, settings=Settings(cluster=cluster), **changes)


def verdicts(check: str, facts: Facts, goal: Target | None = None) -> dict[str, str]:
    found = judge(check, facts, goal or wanted())
    return {finding.subject: finding.status.value for finding in found}


_WORKER = (
    "INPUT -p icmp -j ACCEPT",
    "INPUT -s 192.0.2.0/24 -p tcp -m multiport --dports 10250,10256 -j ACCEPT",
    "INPUT -s 10.244.0.0/16 -p tcp -m tcp --dport 10250 -j ACCEPT",
    "INPUT -s 198.51.100.0/24 -p tcp -m tcp --dport 22 -j ACCEPT",
)


def test_no_rules_keep_nothing_out() -> None:
    for check in ("firewall-admits", "firewall-forwards", "firewall-owner"):
        assert verdicts(check, healthy()) == {"": "pass"}


def test_everything_that_a_worker_needs_is_let_in() -> None:
    [finding] = judge("firewall-admits", node(*_WORKER), wanted())
    assert finding.status.value == "pass"
    assert "10250/tcp" in finding.message


def test_a_drop_policy_is_named_for_each_flow() -> None:
    found = judge("firewall-admits", node(*_WORKER[:1]), wanted())
    by_subject = {finding.subject: finding for finding in found}
    kubelet = by_subject["10250/tcp"]
    assert kubelet.status.value == "fail"
    assert "policy drop of chain INPUT of table ip filter (iptables-nft)" in kubelet.message
    assert kubelet.remedy == "nodeprep firewall apply --role worker --posture allow"
    assert by_subject["22/tcp"].status.value == "fail"


def test_a_source_too_narrow_is_found() -> None:
    rules = (
        *_WORKER[:2],
        *_WORKER[2:3],
        "INPUT -s 198.51.100.0/25 -p tcp -m tcp --dport 22 -j ACCEPT",
    )
    assert verdicts("firewall-admits", node(*rules)) == {"22/tcp": "fail"}


def test_legacy_rules_count_too() -> None:
    facts = node(
        "INPUT -p tcp -m tcp --dport 10250 -j DROP", policy="ACCEPT", tool="iptables-legacy"
    )
    [finding] = judge("firewall-admits", facts, wanted())
    assert finding.status.value == "fail"
    assert "rule 1 in chain INPUT of table ip filter (iptables-legacy)" in finding.message


def test_what_hangs_on_an_unknown_rule_is_unknown() -> None:
    limited = "INPUT -p tcp -m tcp --dport 10250 -m limit --limit 5/min -j ACCEPT"
    found = judge("firewall-admits", node(limited, _WORKER[0], _WORKER[3]), wanted())
    assert {finding.status.value for finding in found} == {"unknown"}
    assert all("-m limit --limit 5/min" in finding.message for finding in found)


def test_without_a_cluster_file_the_nodes_own_network_stands_for_the_nodes() -> None:
    goal = wanted(Role.MASTER, Cluster())
    rules = ("INPUT -p icmp -j ACCEPT", "INPUT -s 192.0.2.0/24 -j ACCEPT")
    assert verdicts("firewall-admits", node(*rules), goal) == {"": "pass"}
    found = verdicts("firewall-admits", node(*rules[:1]), goal)
    assert found["6443/tcp"] == "fail"


def test_the_only_node_of_a_cluster_file_has_no_peers_to_let_in() -> None:
    alone = Cluster(**{**vars(_CLUSTER), "nodes": _CLUSTER.nodes[:1]})
    facts = node(
        "INPUT -p icmp -j ACCEPT",
        "INPUT -s 198.51.100.0/24 -p tcp -j ACCEPT",
        "INPUT -s 10.244.0.0/16 -j ACCEPT",
    )
    assert verdicts("firewall-admits", facts, wanted(Role.MASTER, alone)) == {"": "pass"}


@pytest.mark.parametrize("reason", ["denied", "failed", "timeout"])
def test_rules_that_were_not_read_are_unknown(reason: str) -> None:
    value = replace(firewall(), rulesets=Unknown(reason, "why"))
    facts = replace(healthy(), firewall=value)
    assert verdicts("firewall-admits", facts) == {"": "unknown"}
    assert verdicts("firewall-forwards", facts) == {"": "unknown"}


def test_rules_that_nobody_understands_are_unknown() -> None:
    value = replace(firewall(), rulesets=(RulesetText("nft", "rubbish"),))
    [finding] = judge("firewall-admits", replace(healthy(), firewall=value), wanted())
    assert finding.status.value == "unknown"
    assert "cannot be understood" in finding.message


_DOCKER = (
    "FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
)


def test_docker_drops_what_pods_send() -> None:
    found = judge("firewall-forwards", node(*_DOCKER), wanted())
    assert {finding.subject for finding in found} == {
        "from pod to pod (IPv4)",
        "from elsewhere to a pod (IPv4)",
        "from a pod to the outside (IPv4)",
    }
    assert {finding.status.value for finding in found} == {"fail"}
    assert "policy drop of chain FORWARD" in found[0].message


def test_pod_traffic_that_is_accepted() -> None:
    rules = ("FORWARD -s 10.244.0.0/16 -j ACCEPT", "FORWARD -d 10.244.0.0/16 -j ACCEPT")
    assert verdicts("firewall-forwards", node(*_DOCKER, *rules)) == {"": "pass"}
    one_way = verdicts("firewall-forwards", node(*_DOCKER, rules[1]))
    assert one_way == {"from a pod to the outside (IPv4)": "fail"}


def test_a_pod_network_with_rules_of_its_own_is_judged_after() -> None:
    cluster = Cluster(**{**vars(_CLUSTER), "cni": CniChoice("flannel")})
    before = verdicts("firewall-forwards", node(*_DOCKER), wanted(cluster=cluster))
    assert set(before.values()) == {"skip"}
    after = verdicts(
        "firewall-forwards", node(*_DOCKER), wanted(cluster=cluster, phase=Phase.AFTER)
    )
    assert set(after.values()) == {"fail"}


def test_without_a_pod_range_there_is_nothing_to_ask() -> None:
    assert verdicts("firewall-forwards", node(*_DOCKER), wanted(cluster=Cluster())) == {"": "skip"}


def test_both_families_are_asked() -> None:
    both = (*_CLUSTER.pod_subnets, ip_network("fd00:244::/56"))
    cluster = Cluster(**{**vars(_CLUSTER), "pod_subnets": both})
    facts = node("FORWARD -j DROP", tool="ip6tables-nft", policy="ACCEPT")
    found = verdicts("firewall-forwards", facts, wanted(cluster=cluster))
    assert set(found) == {
        "from pod to pod (IPv6)",
        "from elsewhere to a pod (IPv6)",
        "from a pod to the outside (IPv6)",
    }


def owner(*tables: FilterTable, **managers: Any) -> Facts:
    return replace(healthy(), firewall=firewall(*tables, **managers))


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (owner(), {"": "pass"}),
        (owner(nftables="enabled"), {"": "pass"}),
        (owner(nftables="active+enabled"), {"nftables": "warn"}),
        (owner(netfilter_persistent="active"), {"netfilter-persistent": "warn"}),
        (owner(firewalld="active+enabled"), {"": "pass"}),
        (owner(table("nft", drop="INPUT", hand=1)), {"": "pass"}),
    ],
)
def test_owners(facts: Facts, found: dict[str, str]) -> None:
    assert verdicts("firewall-owner", facts) == found


def test_firewalld_in_iptables_wipes_others() -> None:
    filled = replace(table("iptables-nft", firewalld=3), chains=("INPUT", "INPUT_ZONES"))
    facts = owner(filled, firewalld="active")
    assert verdicts("firewall-owner", facts) == {"firewalld": "warn"}


def test_the_one_who_drops_is_named() -> None:
    [finding] = judge("firewall-owner", owner(table("iptables-legacy", drop="FORWARD", hand=1)))
    assert "chain FORWARD of ip filter (iptables-legacy) drops by default" in finding.message


def test_owners_that_cannot_be_told() -> None:
    managers = Unknown("absent", "systemd does not run here")
    dropping = firewall(table("nft", drop="INPUT", hand=1))
    facts = replace(healthy(), firewall=replace(dropping, managers=managers))
    assert verdicts("firewall-owner", facts) == {"": "unknown"}
    facts = replace(healthy(), firewall=replace(firewall(), managers=managers))
    assert verdicts("firewall-owner", facts) == {"": "pass"}
    denied = replace(firewall(), tables=Unknown("denied", "may not be read"))
    assert verdicts("firewall-owner", replace(healthy(), firewall=denied)) == {"": "unknown"}
