"""parse(render(policy)) is the policy: for each role, pod network, target and posture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.access import Hook, let_through
from rules.cluster import IPAddress, Role
from rules.errors import UsageError
from rules.policy import Policy
from rules.policyspace import from_pods_space, input_space, to_pods_space
from rules.render import TARGETS, Artefact, Posture, render
from rules.ruleset import Action
from rules.space import Space
from tests.kernel import require_kernel
from tests.rules.render.clusters import (
    CHOICES,
    POSTURES,
    all_networks_at_once,
    cluster,
    every_policy,
    policies,
)
from tests.rules.render.judge import Judge, restricted, universe
from tests.rules.render.readback import firewalld_files, read_back, read_ufw

TARGET_POSTURES = [(target, posture) for target in TARGETS for posture in POSTURES]
HERE = {4: ip_address("198.51.100.1"), 6: ip_address("2001:db8:ffff::1")}


def families(target: str) -> tuple[int, ...]:
    return {"iptables": (4,), "ip6tables": (6,)}.get(target, (4, 6))


def pods_address(chosen: Policy, family: int) -> IPAddress | None:
    for network in chosen.cluster.pod_subnets:
        if network.version == family:
            return network.network_address
    return None


def check(chosen: Policy, target: str, posture: Posture) -> None:
    """Every hook and family of one artefact against the policy's own space."""
    made = render(target, chosen, posture)
    for family in families(target):
        expected = dict(wanted(chosen, target, posture, family))
        ruleset = read_back(made, posture, family)
        for hook, destination in expected:
            # Their accepts open nothing: what do they say is needed?
            closed = target == "nftables" and posture is Posture.ALLOW
            judge = Judge(ruleset, hook, destination, policy=Action.DROP if closed else None)
            found, right = judge.admitted(), expected[hook, destination]
            assert found == right, (
                target,
                family,
                hook,
                "too wide",
                (found - right).boxes()[:3],
                "too narrow",
                (right - found).boxes()[:3],
            )


def wanted(
    chosen: Policy, target: str, posture: Posture, family: int
) -> Iterator[tuple[tuple[str, IPAddress], Space]]:
    """(hook, destination) -> what must pass."""
    yield ("input", HERE[family]), restricted(input_space(chosen), family)
    if not chosen.role.runs_kubelet:
        return
    elsewhere = universe(family) if posture is Posture.ENFORCE else from_pods_space(chosen)
    yield ("forward", HERE[family]), restricted(elsewhere, family)
    pod = pods_address(chosen, family)
    if pod is not None:
        to_pods = to_pods_space(without_node_ports(chosen) if target == "firewalld" else chosen)
        yield ("forward", pod), restricted(to_pods, family)


def without_node_ports(chosen: Policy) -> Policy:
    """firewalld itself forwards what was translated; of what was not, nothing is a NodePort."""
    translated = {
        one.flow for one in let_through(chosen) if one.original_port and one.hook is Hook.FORWARD
    }
    flows = tuple(flow for flow in chosen.flows if flow.id not in translated)
    return Policy(chosen.role, chosen.cluster, flows, chosen.optional)


def can(chosen: Policy, target: str, posture: Posture) -> bool:
    """Whether the target has words for it; firewalld cannot limit NodePorts to some sources."""
    if target != "firewalld" or posture is Posture.ALLOW:
        return True
    return all(one.from_anywhere for one in let_through(chosen) if one.original_port)


@pytest.mark.parametrize(("target", "posture"), TARGET_POSTURES)
@pytest.mark.parametrize("role", Role)
def test_all_pod_networks_at_once(role: Role, target: str, posture: Posture) -> None:
    if target == "nftables":
        require_kernel()
    check(all_networks_at_once(role), target, posture)


@pytest.mark.sweep
@pytest.mark.parametrize("turn", range(len(TARGET_POSTURES)))
def test_every_role_and_pod_network(turn: int) -> None:
    """Each policy with one target and posture in turn; NODEPREP_EVERY=1: with all of them."""
    target, posture = TARGET_POSTURES[turn]
    if target == "nftables":
        require_kernel()
    every = os.environ.get("NODEPREP_EVERY") == "1"
    seen: set[tuple[str, ...]] = set()
    for number, chosen in enumerate(every_policy()):
        if not every and number % len(TARGET_POSTURES) != turn:
            continue
        # Pod networks with the same flows have the same text.
        text = tuple(render(target, chosen, posture).files.values())
        if text not in seen:
            seen.add(text)
            check(chosen, target, posture)
    assert seen


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chosen=policies(), how=st.sampled_from(TARGET_POSTURES))
def test_random_clusters(chosen: Policy, how: tuple[str, Posture]) -> None:
    target, posture = how
    if target == "nftables":
        require_kernel()
    if not can(chosen, target, posture):
        with pytest.raises(UsageError, match="firewalld has no words for node-ports"):
            render(target, chosen, posture)
        return
    check(chosen, target, posture)


def test_one_family_of_two_closes_the_other() -> None:
    """A cluster of IPv4: under enforce IPv6 is not left open, but for what every host needs."""
    only4 = next(iter(every_policy(CHOICES[:1], ((4,),))))
    for target in ("ip6tables", "ufw", "firewalld"):
        check(only4, target, Posture.ENFORCE)
    assert restricted(input_space(only4), 6)


def test_what_ufw_is_told_by_its_own_lines_is_in_the_block_too() -> None:
    chosen = all_networks_at_once(Role.WORKER)
    made = render("ufw", chosen, Posture.ALLOW)
    for family in (4, 6):
        lines = Artefact("ufw", {**made.files, "before.rules": "", "before6.rules": ""})
        told = read_ufw(lines, Posture.ALLOW, family, commands=made.commands)
        block = read_ufw(made, Posture.ALLOW, family)
        for hook, destination in (
            ("input", HERE[family]),
            ("forward", pods_address(chosen, family)),
        ):
            assert destination is not None
            less = Judge(told, hook, destination).admitted()
            more = Judge(block, hook, destination).admitted()
            assert less <= more
            for chosen_protocol in (6, 17):
                assert any(key == (family, chosen_protocol) for key, _ in less.planes)


def test_firewalld_lets_in_nobody_else_than_its_zone_does() -> None:
    chosen = next(iter(every_policy(CHOICES[:1])))
    made = render("firewalld", chosen, Posture.ALLOW)
    files = {**firewalld_files(made, Posture.ALLOW)}
    only_theirs = {name: text for name, text in files.items() if "nodeprep" not in name}
    from rules.parse.firewalld import parse_firewalld

    for family in (4, 6):
        nothing = Judge(parse_firewalld(only_theirs), "input", HERE[family]).admitted()
        assert not nothing


def test_a_seeded_error_is_seen() -> None:
    """A port off by one, a source too wide, a missing rule: the judge tells each."""
    chosen = next(iter(every_policy(CHOICES[:1])))
    made = render("iptables", chosen, Posture.ENFORCE)
    text = made.files["nodeprep.rules"]
    lines = text.splitlines(keepends=True)
    for line in lines:
        if "nodeprep:kubelet-api" in line or "nodeprep:icmp-errors" in line:
            missing = Artefact("iptables", {"nodeprep.rules": text.replace(line, "")})
            seen(missing, chosen)
    for old, new in (("--dport 10250", "--dport 10251"), ("192.0.2.11/32", "192.0.2.10/31")):
        assert old in text
        seen(Artefact("iptables", {"nodeprep.rules": text.replace(old, new)}), chosen)


def seen(made: Artefact, chosen: Policy) -> None:
    ruleset = read_back(made, Posture.ENFORCE, 4)
    found = Judge(ruleset, "input", HERE[4]).admitted()
    assert found != restricted(input_space(chosen), 4)


def test_the_cluster_of_tests_has_every_group() -> None:
    assert cluster(families=(4, 6), external_etcd=True).families == (4, 6)
