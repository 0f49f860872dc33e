"""What every target has in common, what it refuses, and that size costs little."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

import pytest

from rules.cluster import Cluster, Node, Role, Sources
from rules.errors import UsageError
from rules.flows import Protocol
from rules.policy import Policy, policy
from rules.render import TARGETS, Posture, render
from rules.render.firewalld import MLD_POLICY, for_version
from rules.render.iptables import MOST_RULES_PER_LIST
from tests.rules.render.clusters import POSTURES, all_networks_at_once, cluster

SOME = Sources(node_ports=(ip_network("203.0.113.0/24"),), admins=(ip_network("203.0.113.0/24"),))


def test_unknown_targets_are_named() -> None:
    with pytest.raises(UsageError, match="known are nftables, iptables, ip6tables"):
        render("pf", policy(Role.WORKER, cluster()), Posture.ALLOW)


def test_the_digest_is_that_of_the_policy_alone() -> None:
    made = policy(Role.WORKER, cluster(families=(4, 6)))
    digests = {render(target, made, Posture.ALLOW).digest for target in TARGETS}
    assert len(digests) == 1
    assert digests == {render("ufw", made, Posture.ALLOW, version="9").digest}
    others = {
        render("ufw", made, Posture.ENFORCE).digest,
        render("ufw", policy(Role.MASTER, cluster(families=(4, 6))), Posture.ALLOW).digest,
        render("ufw", policy(Role.WORKER, cluster(workers=3)), Posture.ALLOW).digest,
    }
    assert len(others | digests) == 4


@pytest.mark.parametrize("posture", POSTURES)
@pytest.mark.parametrize("target", TARGETS)
def test_each_rule_names_its_flow_and_each_file_its_digest(target: str, posture: Posture) -> None:
    made = render(target, all_networks_at_once(Role.WORKER), posture, version="1.2.3")
    assert re.fullmatch("[0-9a-f]{16}", made.digest)
    for name, text in made.files.items():
        rules = [
            line
            for line in text.splitlines()
            if line.startswith("-A") or re.search(r"^\t\t.* (accept|drop) comment", line)
        ]
        assert sum(" accept" in line for line in rules) == text.count(" accept comment")
        assert all('"nodeprep:' in line for line in rules), name
        if name.startswith("policies/") or rules:
            assert made.digest in text
            assert "1.2.3" in text
        if name.startswith("policies/"):
            assert text.count("<rule ") == text.count("<!-- nodeprep:")


def test_a_long_list_is_a_set_and_a_short_one_is_not() -> None:
    # The longest list, that of pings: three masters, the workers, and the admins.
    for workers in (MOST_RULES_PER_LIST - 4, MOST_RULES_PER_LIST - 3):
        made = render(
            "iptables", policy(Role.WORKER, cluster(workers=workers, step=2)), Posture.ENFORCE
        )
        assert ("nodeprep.ipset" in made.files) == (workers + 4 > MOST_RULES_PER_LIST)
        if "nodeprep.ipset" in made.files:
            assert list(made.files) == ["nodeprep.ipset", "nodeprep.rules"]
            sets = re.findall(r"--match-set (\S+)", made.files["nodeprep.rules"])
            assert set(sets) <= set(
                re.findall(r"^create (\S+)", made.files["nodeprep.ipset"], re.M)
            )
            assert all(len(name) <= 29 for name in sets)  # and two for the one that is swapped in


@pytest.mark.sweep
def test_ten_thousand_nodes_cost_no_rule_each() -> None:
    nodes = tuple(
        Node(f"w{number}", Role.WORKER, (ip_address((10 << 24) + 2 * number),))
        for number in range(10_000)
    )
    few = cluster()
    many = Cluster(**{**vars(few), "nodes": (*few.nodes, *nodes)})
    for target in ("nftables", "iptables", "firewalld", "ufw"):
        made = render(target, policy(Role.WORKER, many), Posture.ENFORCE)
        rules = [
            line
            for text in made.files.values()
            for line in text.splitlines()
            if "nodeprep:" in line or line.startswith("-A")
        ]
        assert 10 < len(rules) < 100, target
        assert len(made.commands) < 200


def test_adjacent_nodes_become_networks() -> None:
    made = render("nftables", policy(Role.WORKER, cluster(workers=5)), Posture.ALLOW)
    assert "192.0.2.11, 192.0.2.12/30, 192.0.2.16/30" not in made.files["nodeprep.nft"]
    assert "192.0.2.12/31" in made.files["nodeprep.nft"]


def test_firewalld_cannot_limit_what_was_translated() -> None:
    limited = policy(Role.WORKER, cluster(sources=SOME))
    assert render("firewalld", limited, Posture.ALLOW).files
    with pytest.raises(UsageError, match=r"firewalld has no words for node-ports-tcp .*nftables"):
        render("firewalld", limited, Posture.ENFORCE)
    assert render("firewalld", policy(Role.WORKER, cluster()), Posture.ENFORCE).files


def test_firewalld_names_the_icmp_type_that_it_does_not_know() -> None:
    made = policy(Role.WORKER, cluster())
    odd = tuple(
        flow.but(icmp_types=(17,)) if flow.protocol is Protocol.ICMP else flow
        for flow in made.flows
    )
    chosen = Policy(made.role, made.cluster, odd)
    with pytest.raises(UsageError, match=r"no word for icmp-errors .*ICMP type 17"):
        render("firewalld", chosen, Posture.ALLOW)
    for target in ("nftables", "iptables", "ufw"):
        assert render(target, chosen, Posture.ALLOW).files


def test_an_older_firewalld_gets_no_listener_discovery_and_may_not_enforce() -> None:
    made = render("firewalld", policy(Role.WORKER, cluster()), Posture.ALLOW)
    assert f"policies/{MLD_POLICY}.xml" in made.files
    older = for_version(made, (1, 3, 3), enforce=False)
    assert set(made.files) - set(older.files) == {f"policies/{MLD_POLICY}.xml"}
    assert not any(MLD_POLICY in line for line in older.commands)
    assert for_version(made, (2, 1), enforce=True) is made
    with pytest.raises(UsageError, match=r"firewalld before 2\.1 .* icmpv6-multicast"):
        for_version(made, (1, 3), enforce=True)


def test_ah_over_ipv6_is_matched_by_its_header() -> None:
    chosen = all_networks_at_once(Role.WORKER)
    assert any(flow.protocol is Protocol.AH for flow in chosen.flows)
    assert "-p 51" in render("iptables", chosen, Posture.ALLOW).files["nodeprep.rules"]
    six = render("ip6tables", chosen, Posture.ALLOW).files["nodeprep6.rules"]
    assert "-m ah" in six
    assert "-p 51" not in six


@pytest.mark.parametrize("target", TARGETS)
def test_an_etcd_member_forwards_nothing_of_ours(target: str) -> None:
    made = render(target, policy(Role.ETCD, cluster(external_etcd=True)), Posture.ENFORCE)
    text = "".join(made.files.values())
    assert "pods-to-anywhere" not in text
    assert "nodeprep-fwd" not in text
    assert "-A ufw-before-forward" not in text
