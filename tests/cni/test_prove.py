"""`cni prove` on a node with real plugins and a real containerd, healthy and not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cni.containerd import start, write_image
from tests.cni.node import bridge, node
from tests.cni.schemas import valid
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
# What there is on the host that pods may leave something in.
STATE = """
state() { find /var/lib/cni /run/netns 2> /dev/null | grep -v last_reserved_ip | sort
  nft list ruleset; iptables-save | grep -v '^#' || true; ip -o link | cut -d: -f2; ip route
  sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding; }
"""
DUAL = {
    "type": "host-local",
    "ranges": [[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:10:244:1::/64"}]],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
}


@pytest.fixture(autouse=True)
def _kernel() -> None:
    require_kernel()
    if not os.path.isdir("/usr/lib/cni") or shutil.which("containerd") is None:
        stop = pytest.fail if os.environ.get("NODEPREP_REQUIRE_KERNEL") == "1" else pytest.skip
        stop("containernetworking-plugins and containerd are not installed")


def failed(proof: dict[str, Any]) -> list[str]:
    return [step["name"] for step in proof["steps"] if step["ok"] is not True]


def causes(proof: dict[str, Any]) -> list[str]:
    return [cause["name"] for cause in proof["causes"]]


@pytest.mark.parametrize("flags", ["", "--scratch"])
def test_a_healthy_node_is_proven_and_is_as_it_was(flags: str) -> None:
    done = node(
        f"{STATE}\nmkdir -p /var/lib/cni/results /var/lib/cni/networks/pods\n"
        "touch /var/lib/cni/networks/pods/lock\n"
        # iptables-nft keeps a table that it has once made, empty as it may be.
        "iptables -t nat -A POSTROUTING -s 192.0.2.99 -j ACCEPT\nstate > /run/before\n"
        f"nodeprep cni prove {flags} -o json\nstate > /run/after\n"
        "cmp /run/before /run/after >&2",
        conf=bridge(),
    )
    proof = valid(done.stdout, "pod-network-proof")
    assert proof["proven"] is True
    assert [step["name"] for step in proof["steps"]] == [
        "configuration",
        "plugins",
        "add",
        "pod-to-pod",
        "full-size-there",
        "full-size-back",
        "pod-to-gateway",
        "host-to-pod",
        "service",
        "hairpin",
        "pod-to-outside",
        "full-size-outside",
        "check",
        "delete",
        "delete-again",
        "nothing-left",
    ]


def test_both_families() -> None:
    done = node(
        "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding\n"
        "ip address add 2001:db8::11/64 dev up0\nip -n peer address add 2001:db8::1/64 dev lan0\n"
        "ip -6 route add default via 2001:db8::1\nnodeprep cni prove -o json",
        conf=bridge(ipam=DUAL),
    )
    proof = valid(done.stdout, "pod-network-proof")
    assert proof["proven"] is True
    names = {step["name"] for step in proof["steps"]}
    assert {"pod-to-outside-ipv6", "service-ipv6", "hairpin-ipv6", "host-to-pod-ipv6"} <= names


def test_a_real_containerd(tmp_path: Path) -> None:
    write_image(tmp_path / "pause.tar")
    done = node(
        f"{start(tmp_path / 'pause.tar')}\nnodeprep cni prove --via containerd -o json\n"
        "ip netns list >&2; ls /var/lib/cni/results >&2",
        conf=bridge(),
    )
    proof = valid(done.stdout, "pod-network-proof")
    assert proof["proven"] is True
    assert [step["name"] for step in proof["steps"]][:2] == ["runtime", "sandboxes"]
    assert proof["steps"][-1]["name"] == "nothing-left"


def test_a_runtime_without_its_socket_is_undetermined() -> None:
    done = node("nodeprep cni prove --via containerd", conf=bridge(), check=False)
    assert done.returncode == 3
    assert "no CRI socket is here" in done.stderr


# Pings of pods for their gateway are counted before anybody could drop them.
COUNTED = """
cat > /run/cluster.yaml <<'END'
networking: {podSubnet: 10.244.0.0/16}
cni: {name: bridge}
nodes: [{name: lab-node, role: master, addresses: [192.0.2.11], podSubnet: 10.244.1.0/24}]
END
nft 'table ip asked { chain pings { type filter hook prerouting priority raw;
    ip daddr 10.244.1.1 icmp type echo-request counter
}; }'
pings() { nft list table ip asked | grep -o 'packets [0-9]*' | cut -d' ' -f2 >&2; }
"""


def test_a_gateway_that_our_own_policy_keeps_silent_is_not_waited_for() -> None:
    done = node(
        f"{COUNTED}\nnodeprep firewall apply --role master --posture enforce --confirm-within 0 "
        "--config /run/cluster.yaml > /dev/null\n"
        "nodeprep cni prove --config /run/cluster.yaml -o json\npings",
        conf=bridge(),
    )
    proof = valid(done.stdout, "pod-network-proof")
    assert proof["proven"] is True
    detail = {step["name"]: step["detail"] for step in proof["steps"]}["pod-to-gateway"]
    assert detail.endswith("is there, and nodeprep's own rules let no pod ping it")
    # Of the seven that a ping is sent in all.
    assert 1 <= int(done.stderr.split()[-1]) <= 3


def test_a_gateway_that_somebody_else_keeps_silent_is_a_fault() -> None:
    done = node(
        f"{COUNTED}\nnft 'table ip site {{ chain input {{ type filter hook input priority filter;\n"
        "ip daddr 10.244.1.1 icmp type echo-request drop; }; }'\n"
        "nodeprep cni prove --config /run/cluster.yaml -o json || rc=$?\npings\ntest $rc = 1",
        conf=bridge(),
    )
    proof = valid(done.stdout, "pod-network-proof")
    assert failed(proof) == ["pod-to-gateway"]
    # It was asked once more, with all patience.
    assert int(done.stderr.split()[-1]) > 3


def test_a_copy_shows_what_the_host_drops_and_the_host_is_not_touched() -> None:
    done = node(
        f"{STATE}\niptables -P FORWARD DROP\nstate > /run/before\n"
        "nodeprep cni prove --scratch -o json || rc=$?\nstate > /run/after\n"
        "cmp /run/before /run/after >&2; test $rc = 1",
        conf=bridge(),
    )
    proof = valid(done.stdout, "pod-network-proof")
    assert "pod-to-pod" in failed(proof)
    assert causes(proof)[0] == "firewall-forwards"


@pytest.mark.parametrize(
    ("shell", "changes", "step", "cause"),
    [
        ("ip link set up0 mtu 1400", {}, "full-size-outside", "mtu"),
        ("", {"hairpinMode": False}, "hairpin", "hairpin"),
        ("", {"ipMasq": False}, "pod-to-outside", "masquerade-missing"),
        ("", {"isGateway": None, "isGatway": True}, "configuration", "cni-conf-valid"),
    ],
)
def test_what_is_wrong_is_named(shell: str, changes: dict[str, Any], step: str, cause: str) -> None:
    done = node(f"{shell}\nnodeprep cni prove -o json || test $? = 1", conf=bridge(**changes))
    proof = valid(done.stdout, "pod-network-proof")
    assert failed(proof) == [step]
    assert causes(proof)[0] == cause


def test_add_check_and_del_of_a_named_namespace() -> None:
    done = node(
        "ip netns add p1\nnodeprep cni add 15ftyh76u /run/netns/p1 -o json > /run/add\n"
        "nodeprep cni check 15ftyh76u -o json > /run/check\n"
        "nodeprep cni del 15ftyh76u -o json > /run/del\n"
        "nodeprep cni del 15ftyh76u -o json > /run/again\n"
        "for f in add check del again; do tr -d '\\n' < /run/$f; echo; done\n"
        "ls /var/lib/cni/results | wc -l",
        conf=bridge(),
    )
    *documents, left = done.stdout.splitlines()
    added, checked, deleted, again = (valid(text, "cni-attachment") for text in documents)
    assert added["result"]["ips"][0]["address"] == "10.244.1.2/24"
    assert checked["netns"] == deleted["netns"] == "/run/netns/p1"  # out of the cache
    assert [item["changed"] for item in (added, checked, deleted, again)] == [
        True, False, True, False,
    ]  # fmt: skip
    assert left == "0"


# `firewall apply --posture enforce`: the policy lets no pod ping its node.
OWN = (
    "table inet nodeprep { chain input { type filter hook input priority -5; "
    'ct state established,related return; iif lo return; drop comment "nodeprep:enforce"; }; }'
)
FOREIGN = (
    "table inet site { chain input { type filter hook input priority -5; "
    "ip saddr 10.244.0.0/16 ct state new drop; }; }"
)


@pytest.mark.parametrize(("rule", "gateway"), [(OWN, True), (FOREIGN, False)])
def test_a_ping_that_our_own_rules_drop_is_no_fault(rule: str, gateway: bool) -> None:
    done = node(
        f"nft '{rule}'\nnodeprep cni prove -o json || true\nnodeprep cni doctor >&2 || true",
        conf=bridge(),
    )
    proof = valid(done.stdout, "pod-network-proof")
    assert proof["proven"] is gateway
    (step,) = [step for step in proof["steps"] if step["name"] == "pod-to-gateway"]
    assert step["ok"] is gateway
    assert ("nodeprep's own rules" in step["detail"]) is gateway
