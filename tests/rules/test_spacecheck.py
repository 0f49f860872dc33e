"""What a host lets in beyond the policy, and what it does not: each seeded rule is named."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest

from rules.cluster import Role
from rules.parse.iptables import parse_iptables_save
from rules.policy import policy
from rules.proof.sweep import sample_cluster
from rules.render import Posture, render
from rules.ruleset import Ruleset
from rules.tracing.spacecheck import SpaceCheck, check_space

OWN = (ip_interface("127.0.0.1/8"), ip_interface("192.0.2.14/24"))
WORKER = policy(Role.WORKER, sample_cluster())


def host(
    posture: Posture = Posture.ENFORCE, *, first: str = "", nat: str = "", others: str = "ACCEPT"
) -> Ruleset:
    """Our rules, with rules of others before them and a policy of others behind."""
    files = render("iptables", WORKER, posture).files
    ours = next(text for name, text in files.items() if name.endswith(".rules"))
    chains = "".join(f":{name} {others} [0:0]\n" for name in ("INPUT", "FORWARD"))
    jumps = "-A INPUT -j NODEPREP-INPUT\n-A FORWARD -j NODEPREP-FORWARD\nCOMMIT"
    text = ours.replace("*filter\n", f"*filter\n{chains}").replace("COMMIT", first + jumps)
    if nat:
        text += f"*nat\n:PREROUTING ACCEPT [0:0]\n{nat}COMMIT\n"
    return parse_iptables_save(text, "iptables-nft", 4)


def look(ruleset: Ruleset, posture: Posture = Posture.ENFORCE) -> SpaceCheck:
    return check_space(ruleset, WORKER, posture, local_addresses=OWN)


def words(found: SpaceCheck) -> dict[str, list[str]]:
    return {
        kind: [str(gap) for gap in gaps]
        for kind, gaps in vars(found).items()
        if kind != "asked" and gaps
    }


@pytest.mark.parametrize("posture", Posture)
def test_our_rules_alone_are_the_policy(posture: Posture) -> None:
    others = "ACCEPT" if posture is Posture.ENFORCE else "DROP"
    found = look(host(posture, others=others), posture)
    assert words(found) == {}
    assert found.asked == 2


def test_a_host_without_an_address_is_not_asked() -> None:
    found = check_space(host(), WORKER, Posture.ENFORCE, local_addresses=OWN[:1])
    assert (found.asked, words(found)) == (0, {})


def test_without_rules_everything_gets_in_and_nothing_lacks() -> None:
    found = look(Ruleset())
    assert found.excess
    assert not found.missing
    assert words(look(Ruleset(), Posture.ALLOW)) == {}


def test_what_others_let_in_before_us() -> None:
    found = look(host(first="-A INPUT -s 198.51.100.7/32 -p tcp -m tcp --dport 4444 -j ACCEPT\n"))
    assert words(found) == {"excess": ["tcp 4444 from 198.51.100.7 to the node"]}
    step = found.excess[0].trace.decided_by
    assert step is not None
    assert "4444" in step.rule


def test_what_others_drop() -> None:
    found = look(host(first="-A INPUT -s 192.0.2.0/28 -p tcp -m tcp --dport 10250 -j DROP\n"))
    assert words(found) == {"missing": ["tcp 10250 from 192.0.2.11-192.0.2.15 to the node"]}


def test_pods_that_others_do_not_forward() -> None:
    found = look(host(first="-A FORWARD -s 10.244.128.0/17 -p udp -j DROP\n"))
    assert words(found) == {"missing": ["udp from 10.244.128.0/17 to pods"]}


def test_what_cannot_be_told() -> None:
    rule = "-A INPUT -p tcp -m tcp --dport 10250 -m limit --limit 1/sec -j DROP\n"
    found = look(host(first=rule))
    assert {gap.box.ports for gap in found.unknown} == {(10250, 10250)}
    assert not found.missing


def test_a_node_port_that_is_open_to_others_and_a_service_that_is_no_node_port() -> None:
    """kube-proxy translates both; a rule before ours forwards to the pod from everywhere."""
    nat = "".join(
        f"-A PREROUTING -d 192.0.2.14/32 -p tcp -m tcp --dport {port} -j DNAT "
        "--to-destination 10.244.3.4:8080\n"
        for port in (30080, 443)
    )
    first = "-A FORWARD -d 10.244.3.4/32 -p tcp -m tcp --dport 8080 -j ACCEPT\n"
    assert words(look(host(nat=nat))) == {}
    found = look(host(nat=nat, first=first))
    assert {gap.box.ports for gap in found.excess} == {(30080, 30080)}
    assert {gap.to for gap in found.excess} == {"node"}


def test_a_redirected_port() -> None:
    nat = "-A PREROUTING -d 192.0.2.14/32 -p tcp -m tcp --dport 9 -j REDIRECT --to-ports 10250\n"
    found = look(host(nat=nat))
    assert {gap.box.ports for gap in found.excess} == {(9, 9)}
    assert not found.missing
