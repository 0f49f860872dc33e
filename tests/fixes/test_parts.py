"""What fix has the firewall and the CNI part do: only what was found, and never more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixes.cases import CASES, CLUSTER
from tests.fixes.lab import Node, differences
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
SEEDS = {case.name: case.seed for case in CASES}
DROPPING = SEEDS["a packet filter that drops"]
FIREWALL = ("--only", "firewall-admits,firewall-forwards")
POD_NETWORK = ("--phase", "after", "--only", "cni-conf-winner")
NFT = (
    CLUSTER
    + r"""
nft -f - <<'END'
table inet site {
  chain input {
    type filter hook input priority filter; policy drop;
    tcp dport 22 accept
  }
}
END
"""
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    require_kernel()
    made = Node(tmp_path)
    yield made
    made.close()


def test_a_chain_that_only_its_author_can_open_is_left_to_him(node: Node) -> None:
    node.shell(NFT)
    before = node.snapshot()
    done = node.fix(*FIREWALL, code=1)
    assert (done["changed"], done["problems"]) == (False, [])
    assert any("chain input of table inet site drops" in note for note in done["notes"])
    assert {each["id"] for each in done["remedies"]} == {"firewall-admits"}
    assert not differences(before, node.snapshot())


def test_without_the_nodes_addresses_nothing_is_opened(node: Node) -> None:
    node.shell(f"{DROPPING}\nrm /etc/nodeprep/nodeprep.yaml")
    before = node.snapshot()
    done = node.fix(*FIREWALL, code=1)
    assert done["changed"] is False
    assert any("addresses of masters" in note for note in done["notes"])
    assert not differences(before, node.snapshot())


def test_what_was_not_found_is_not_done(node: Node) -> None:
    node.shell(CLUSTER)
    done = node.fix("--dry-run")
    kinds = {change["object"].partition(" ")[0] for change in done["changes"]}
    assert not kinds & {"firewall", "pod-network"}


def test_rules_that_somebody_changed_come_back_and_undo_gives_them_back(node: Node) -> None:
    node.shell(DROPPING)
    node.firewall_apply()
    applied = node.run("iptables-save")
    # Somebody takes the rules out of our chain: the record says one thing, the kernel another.
    node.shell("iptables -F NODEPREP-INPUT")
    changed = node.snapshot()
    done = node.fix(*FIREWALL)
    assert done["changes"][0]["object"] == "firewall of this host"
    assert "changed by somebody" in done["changes"][0]["before"]
    assert node.rules(node.run("iptables-save")) == node.rules(applied)
    assert node.undo()["problems"] == []
    assert not differences(changed, node.snapshot())


def test_rules_of_another_policy_are_not_replaced(node: Node) -> None:
    node.shell(DROPPING)
    # By a source that no file names.
    node.firewall_apply("--confirm-within", "0", "--source", "monitoring=198.51.100.0/24")
    node.shell("sed -i 's/192.0.2.21/192.0.2.22/' /etc/nodeprep/nodeprep.yaml")
    node.shell("iptables -F NODEPREP-INPUT")
    before = node.snapshot()
    done = node.fix(*FIREWALL, code=1)
    assert done["changed"] is False
    assert any("rules of another policy" in note for note in done["notes"])
    assert not differences(before, node.snapshot())


def test_a_change_that_waits_for_its_confirmation_is_not_touched(node: Node) -> None:
    node.shell(DROPPING)
    node.firewall_apply("--confirm-within", "300")
    # The rules that wait let all in: what fails is another node, of which the file says nothing.
    node.shell("iptables -F NODEPREP-INPUT")
    before = node.run("iptables-save")
    done = node.fix(*FIREWALL, code=1)
    assert [each["object"] for each in done["problems"]] == ["firewall of this host"]
    assert "nodeprep firewall confirm" in done["problems"][0]["message"]
    assert node.rules(node.run("iptables-save")) == node.rules(before)
    node.nodeprep("firewall", "rollback")


def test_a_rival_network_is_left_alone(node: Node) -> None:
    node.shell(SEEDS["no pod network"])
    node.write("/etc/cni/net.d/00-site.conflist", json.dumps(
        {"cniVersion": "1.0.0", "name": "site", "plugins": [{"type": "macvlan"}]}
    ))  # fmt: skip
    before = node.snapshot()
    done = node.fix(*POD_NETWORK, code=1)
    assert done["changed"] is False
    assert any("00-site.conflist" in note for note in done["notes"])
    assert not differences(before, node.snapshot())


def test_a_pod_network_that_somebody_damaged_comes_back(node: Node) -> None:
    node.shell(SEEDS["no pod network"])
    node.nodeprep("cni", "install")
    node.shell("rm /etc/cni/net.d/10-nodeprep.conflist; ip link delete cni0")
    damaged = node.snapshot()
    done = node.fix(*POD_NETWORK)
    assert [change["object"] for change in done["changes"]] == ["pod-network of this host"]
    assert node.fix(*POD_NETWORK)["changed"] is False
    assert node.undo()["problems"] == []
    left = differences(damaged, node.snapshot())
    assert not left, left
    # And what the CNI part knows of it is as it was: it can take all of it away.
    node.nodeprep("cni", "remove", "--force")
    assert not node.shell("ls -A /etc/cni/net.d 2> /dev/null || true")


def test_forwarding_of_each_interface_is_given_back(node: Node) -> None:
    node.shell(
        f"{SEEDS['no pod network']}\n"
        "echo 0 > /proc/sys/net/ipv4/ip_forward\n"
        "echo 1 > /proc/sys/net/ipv4/conf/up0/forwarding\n"
        "echo 0 > /proc/sys/net/ipv4/conf/all/accept_redirects"
    )
    clean = node.snapshot()
    assert node.fix(*POD_NETWORK)["changed"] is True
    assert node.read("/proc/sys/net/ipv4/conf/default/forwarding") == "1\n"
    assert node.undo()["problems"] == []
    assert not differences(clean, node.snapshot())
    node.nodeprep("cni", "install")
    node.nodeprep("cni", "remove")
    assert not differences(clean, node.snapshot())


def test_a_machine_that_is_named_now_gets_the_pods_of_its_name(node: Node) -> None:
    node.shell(f"{SEEDS['no pod network']}\nhostname localhost; echo localhost > /etc/hostname")
    asked = ("--hostname", "lab-node", "--phase", "after", "--only", "hostname-set,cni-conf-winner")
    clean = node.snapshot()
    done = node.fix(*asked)
    assert "pod-network of this host" in {each["object"] for each in done["changes"]}
    assert node.fix(*asked)["changed"] is False
    assert node.undo()["problems"] == []
    assert not differences(clean, node.snapshot())
