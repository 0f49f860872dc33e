"""The playbook `nodes` over SSH: predicts, mends, stops at the first broken node, resumes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ansible.lab import Host, Lab, Play
from tests.fixes.lab import differences
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
# The kernel of the test machine: it runs cgroup v1, which no program mends without a reboot.
EXCUSED = ["cgroup-version"]
RULES, NETWORK = "Put the rules on trial", "Lay down the pod network of the reference plugins"
_RUNC = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options'
SWAP = """
printf '/swap.img file 1024 0 -2\\n' >> /run/swaps
printf '/swap.img none swap sw 0 0\\n' > /etc/fstab
"""
KERNEL = """
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 100 > /proc/sys/fs/inotify/max_user_instances
printf 'net.ipv4.ip_forward = 0\\n' > /etc/sysctl.d/10-site.conf
echo 30000 40000 > /proc/sys/net/ipv4/ip_local_port_range
"""
RUNTIME = f"""
printf '%s\\n' 'version = 2' '[{_RUNC}]' 'SystemdCgroup = false' > /etc/containerd/config.toml
"""
NAMES = """
printf '127.0.1.1 %s\\n192.0.2.99 localhost\\n' $(hostname) > /etc/hosts
hostname localhost
printf 'template\\n' > /etc/hostname
"""
SERVICES = "systemctl disable -q kubelet.service chrony.service\nsystemctl stop chrony.service\n"
LEFT = "mkdir -p /etc/kubernetes && touch /etc/kubernetes/kubelet.conf\n"
HOSTS = (
    Host("m1", 11, SWAP + KERNEL),
    Host("m2", 12, RUNTIME + SERVICES),
    Host("m3", 13, NAMES),
    Host("w1", 21, KERNEL + LEFT),
    Host("w2", 22, SWAP + SERVICES + RUNTIME),
)
MANY = """
[kube_control_plane]
m1 nodeprep_pod_cidr=10.244.0.0/24
m2 nodeprep_pod_cidr=10.244.1.0/24
m3 nodeprep_pod_cidr=10.244.2.0/24
[etcd]
m1
m2
m3
[kube_node]
w1 nodeprep_pod_cidr=10.244.3.0/24
w2 nodeprep_pod_cidr=10.244.4.0/24
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    require_kernel("sshd", "nft")
    with Lab(tmp_path_factory.mktemp("lab"), HOSTS) as made:
        yield made


def shown(title: str, play: Play) -> None:
    """For whoever reads the test's output: what nodeprep's own share was."""
    own = {host: round(ms / 1000, 2) for host, ms in play.own_ms().items()}
    print(f"\n{title}: {play.seconds:.1f} s, of it nodeprep by host: {own}")


def test_a_fleet_is_made_ready_and_stops_at_the_first_broken_node(lab: Lab) -> None:
    variables: dict[str, Any] = {
        "nodeprep_serial": [3, 1],
        "nodeprep_posture": "enforce",
        "nodeprep_ignore": EXCUSED,
        "nodeprep_set_hostname": True,
        "nodeprep_control_plane_endpoint": "192.0.2.11:6443",
    }
    hosts = ("m1", "m2", "m3", "w1", "w2")
    before = {name: lab.servers[name].snapshot() for name in hosts}
    predicted = lab.play("nodes", MANY, "--check", "--diff", **variables)
    shown("predicted", predicted)
    for name in hosts:
        assert not differences(before[name], lab.servers[name].snapshot()), "it wrote something"

    # w1 has credentials of an earlier cluster, which no program may throw away.
    stopped = lab.play("nodes", MANY, "--diff", code=2, **variables)
    shown("stopped", stopped)
    assert [host for host, _, _ in stopped.failures()] == ["w1"], stopped.failures()
    assert "kubelet-conf-absent" in stopped.failures()[0][2]
    untouched = differences(before["w2"], lab.servers["w2"].snapshot())
    # The single file and what it compiled are there, of the play that reads the cards.
    others = [path for path in untouched if "nodeprep" not in path and not path.endswith("/cache")]
    assert not others

    lab.servers["w1"].shell("rm /etc/kubernetes/kubelet.conf")
    resumed = lab.play("nodes", MANY, "--diff", **variables)
    shown("resumed", resumed)
    assert {name: resumed.changed()[name] for name in ("m1", "m2", "m3", "w1")} == {
        "m1": 0, "m2": 0, "m3": 0, "w1": 0,
    }  # fmt: skip
    done = [stopped.changes(), resumed.changes()]
    for name in hosts:
        assert predicted.changes()[name] == sorted(
            change for changes in done for change in changes.get(name, [])
        )
        assert lab.verdict(name, "multi-master" if name[0] == "m" else "worker") == "ready"

    # The others had their second run in the one that went on. What somebody broke since is mended.
    drifted = "m1"
    lab.servers[drifted].shell(
        "nft delete table inet nodeprep; rm /etc/cni/net.d/10-nodeprep.conflist"
    )
    rest = hosts[1:] if os.environ.get("NODEPREP_ANSIBLE_SWEEP") else ("w2",)
    mended = {name: lab.servers[name].snapshot() for name in rest}
    again = lab.play("nodes", MANY, "--diff", "--limit", ",".join((drifted, *rest)), **variables)
    shown("again", again)
    assert again.changed() == {drifted: 2, **dict.fromkeys(rest, 0)}
    assert {task.rpartition(" : ")[2] for task, _ in again.changes()[drifted]} == {RULES, NETWORK}
    assert lab.verdict(drifted, "multi-master") == "ready"
    for name in rest:
        assert not differences(mended[name], lab.servers[name].snapshot())
        # One process for the card, and one for all the rest.
        own = [item for item in again.results if item["host"] == name and item["nodeprep_ms"]]
        assert [item["action"].rpartition(".")[2] for item in own] == ["command", "fix"]
