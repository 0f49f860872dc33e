"""`cni install` and `cni remove` on a node with real plugins, and when it goes wrong."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests.cni.containerd import start, write_image
from tests.cni.node import PLUGIN_DIR, node
from tests.cni.schemas import valid
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
# A bare node with a runtime's configuration and a cluster file, and a state that can be compared.
BARE = r"""
rm -rf /opt/cni /etc/cni /var/lib/cni
mkdir -p /run/systemd/system /etc/containerd /etc/nodeprep
printf '#!/bin/sh\necho "$@" >> /run/systemctl\n' > /usr/local/bin/systemctl
chmod 755 /usr/local/bin/systemctl
echo 0 > /proc/sys/net/ipv4/ip_forward
cat > /etc/containerd/config.toml <<'END'
version = 2
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"
END
cat > /etc/nodeprep/nodeprep.yaml <<'END'
networking: {podSubnet: 10.244.0.0/16}
nodes:
  - {name: lab-node, role: master, addresses: [192.0.2.11], podSubnet: 10.244.1.0/24}
  - {name: w1, role: worker, addresses: [192.0.2.21], podSubnet: 10.244.2.0/24}
END
state() {
  find /etc /opt/cni /var/lib/cni /var/lib/nodeprep \
    \( -type f -printf '%p %m %u %g\n' -exec sha256sum {} + \) -o -printf '%p %m %u %g %l\n' \
    2> /dev/null | sort
  nft list ruleset; iptables-legacy-save | grep -e '^-A' -e DROP || true
  ip -o addr show | grep -v -e fe80 | cut -d: -f2- || true; ip route; ip -6 route
  sysctl -n net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables
}
"""
SAME = "state > /run/after; diff /run/before /run/after >&2"


@pytest.fixture(autouse=True)
def _kernel() -> None:
    require_kernel()
    if not Path(PLUGIN_DIR).is_dir() or shutil.which("containerd") is None:
        pytest.fail("containernetworking-plugins and containerd are not installed: make apt")


def archive(path: Path) -> str:
    """Debian's plugins as a release archive; its sha256."""
    with tarfile.open(path, "w:gz", compresslevel=1) as made:
        for name in ("bridge", "host-local", "portmap", "loopback"):
            info = tarfile.TarInfo(f"./{name}")
            data = (Path(PLUGIN_DIR) / name).read_bytes()
            info.size, info.mode = len(data), 0o755
            made.addfile(info, io.BytesIO(data))
    return sha256(path.read_bytes()).hexdigest()


def test_install_prove_install_again_remove(tmp_path: Path) -> None:
    write_image(tmp_path / "pause.tar")
    runtime = start(tmp_path / "pause.tar")
    done = node(
        f"{BARE}{runtime}\nstate > /run/before\n"
        "nodeprep cni install --dry-run -o json > /run/1\n"
        f"{SAME}\n"
        "nodeprep cni install -o json > /run/2\n"
        "nodeprep cni prove -o json > /run/3\n"
        "nodeprep cni prove --via containerd -o json > /run/4\n"
        "nodeprep cni install -o json > /run/5\n"
        'test "$(cat /sys/class/net/cni0/addr_assign_type /sys/class/net/cni0/address)" = '
        "\"$(printf '3\\n0a:58:0a:f4:01:01')\"\n"
        "stat -c %a /etc/cni/net.d/10-nodeprep.conflist > /run/mode\n"
        "nodeprep cni remove --dry-run -o json > /run/6\n"
        "nodeprep cni remove -o json > /run/7\n"
        f"{SAME}\n"
        "nodeprep cni remove -o json > /run/8\n"
        "for n in 1 2 3 4 5 6 7 8; do tr -d '\\n' < /run/$n; echo; done; cat /run/mode",
    )
    *lines, mode = done.stdout.splitlines()
    dry, made, plugins, containerd, again, planned, removed, nothing = map(json.loads, lines)
    for document in (dry, made, again, planned, removed, nothing):
        valid(json.dumps(document), "cni-change")
    assert dry["changes"] == made["changes"]
    assert (dry["changed"], made["changed"], again["changed"]) == (True, True, False)
    assert made["changes"][-1]["object"] == "file /etc/cni/net.d/10-nodeprep.conflist"
    assert {item["object"] for item in made["changes"]} >= {
        "bridge cni0",
        "nft ip nodeprep_pods",
        "route 10.244.2.0/24",
        "sysctl net/ipv4/ip_forward",
        "file /etc/systemd/system/nodeprep-pods.service",
        "file /opt/cni/bin/bridge",
    }
    assert plugins["proven"] is True
    assert containerd["proven"] is True
    assert planned["changes"] == removed["changes"]
    assert (removed["changed"], nothing["changed"]) == (True, False)
    assert mode == "600"


def test_both_families() -> None:
    done = node(
        f'{BARE}sed -i \'s|10.244.0.0/16|"10.244.0.0/16,fd00:10:244::/56"|; '
        's|podSubnet: 10.244.1.0/24|podSubnet: "10.244.1.0/24,fd00:10:244:1::/64"|\' '
        "/etc/nodeprep/nodeprep.yaml\n"
        "ip address add 2001:db8::11/64 dev up0\nip -n peer address add 2001:db8::1/64 dev lan0\n"
        "ip -6 route add default via 2001:db8::1\nstate > /run/before\n"
        "nodeprep cni install > /dev/null\nnodeprep cni prove -o json\n"
        "nodeprep cni install >&2\nnodeprep cni remove > /dev/null\n"
        f"{SAME}"
    )
    proof = valid(done.stdout, "pod-network-proof")
    assert proof["proven"] is True
    assert "pod-to-outside-ipv6" in [step["name"] for step in proof["steps"]]
    assert "nothing to change" in done.stderr


@pytest.mark.parametrize(
    ("layout", "conf", "plugin"),
    [
        ("rkt", "/etc/rkt/net.d/10-nodeprep.conf", "/usr/lib/rkt/plugins/net/bridge"),
        ("mesos", "/etc/mesos/cni/net.d/10-nodeprep.conflist", "/opt/cni/bin/bridge"),
    ],
)
def test_directories_of_other_runtimes(layout: str, conf: str, plugin: str) -> None:
    done = node(
        f"{BARE}mount -t tmpfs tmpfs /usr/lib/rkt 2> /dev/null || "
        "{ mkdir -p /run/lib/up /run/lib/work; mount -t overlay overlay -o "
        "lowerdir=/usr/lib,upperdir=/run/lib/up,workdir=/run/lib/work /usr/lib; }\n"
        f"nodeprep cni install --layout {layout} -o json\n"
        f"test -x {plugin}\nip netns add p1\n"
        f"nodeprep cni add c1 /run/netns/p1 --conf {conf} --plugin-dir $(dirname {plugin}) >&2\n"
        f"nodeprep cni del c1 --conf {conf} --plugin-dir $(dirname {plugin}) >&2\n"
        f"nodeprep cni remove >&2\ntest ! -e {conf}"
    )
    assert json.loads(done.stdout)["conf"] == conf


def test_what_a_boot_brings_back() -> None:
    done = node(
        f"{BARE}nodeprep cni install > /dev/null\nstate > /run/before\n"
        "ip link delete cni0; nft flush ruleset; ip route del 10.244.2.0/24\n"
        "sh /var/lib/nodeprep/cni/boot/boot.sh\nsh /var/lib/nodeprep/cni/boot/boot.sh\n"
        f"{SAME}\nnodeprep cni install -o json"
    )
    assert json.loads(done.stdout)["changed"] is False


@pytest.mark.parametrize("program", ["iptables-nft", "iptables-legacy"])
def test_a_forward_chain_that_drops_lets_pods_through(program: str) -> None:
    done = node(
        # The tables of legacy iptables stay once they are made.
        f"{BARE}{program} -P FORWARD DROP\n{program} -t nat -S > /dev/null\n"
        "state > /run/before\nnodeprep cni install > /dev/null\n"
        "nodeprep cni prove -o json\nnodeprep cni remove > /dev/null\n"
        f"{SAME}"
    )
    assert valid(done.stdout, "pod-network-proof")["proven"] is True


def test_without_nft_the_rule_is_iptables() -> None:
    done = node(
        f"{BARE}mount --bind /dev/null /usr/sbin/nft\n"
        # The tables stay once they are made.
        "iptables -t nat -A POSTROUTING -s 192.0.2.99 -j ACCEPT\n"
        "iptables-save | grep -v '^#' > /run/before\n"
        "nodeprep cni install > /dev/null\nnodeprep cni prove -o json\n"
        "nodeprep cni remove > /dev/null\niptables-save | grep -v '^#' > /run/after\n"
        "diff /run/before /run/after >&2"
    )
    assert valid(done.stdout, "pod-network-proof")["proven"] is True


RIVAL = "mkdir -p /etc/cni/net.d; echo '{\"cniVersion\": ' > /etc/cni/net.d/05-old.conflist\n"


def test_a_file_that_would_win_is_put_aside_only_when_told_to() -> None:
    done = node(
        f"{BARE}{RIVAL}state > /run/before\n"
        f"nodeprep cni install || test $? = 1\n{SAME}\n"
        "nodeprep cni install --displace > /dev/null\nls /etc/cni/net.d\n"
        f"nodeprep cni remove > /dev/null\n{SAME}"
    )
    assert done.stdout.split() == ["05-old.conflist.nodeprep-displaced", "10-nodeprep.conflist"]
    assert "05-old.conflist: comes before 10-nodeprep.conflist" in done.stderr


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("mount -t tmpfs -o size=1m tmpfs /opt/cni/bin", "No space left on device"),
        ("mount -t tmpfs -o ro tmpfs /opt/cni/bin", "Read-only file system"),
        ("mount -t tmpfs -o noexec tmpfs /opt/cni/bin", "mounted noexec"),
        ("mkdir /opt/cni/bin/bridge", "is not a file"),
        ("mkdir -p /etc/cni; mount -t tmpfs -o ro tmpfs /etc/cni", "Read-only file system"),
        ("ip link add cni0 type veth peer name x0", "is no bridge"),
        (
            "mkdir -p /var/lib/nodeprep; "
            "mount -t tmpfs -o size=16k,mode=700 tmpfs /var/lib/nodeprep",
            "No space left on device",
        ),
        (
            "mkdir /run/sys; mount --bind /proc/sys /run/sys; mount -o remount,bind,ro /run/sys; "
            "mount --bind /run/sys /proc/sys",
            "/proc/sys/net/ipv4/ip_forward: cannot be set: Read-only file system",
        ),
    ],
)
def test_when_it_goes_wrong_the_node_is_as_it_was(tmp_path: Path, shell: str, said: str) -> None:
    digest = archive(tmp_path / "plugins.tgz")
    done = node(
        f"{BARE}mkdir -p /opt/cni/bin\n{shell}\nstate > /run/before\n"
        f"nodeprep cni install --archive {tmp_path}/plugins.tgz --sha256 {digest} || test $? = 1\n"
        f"{SAME}"
    )
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_plugins_of_an_archive_stay_when_it_is_run_without(tmp_path: Path) -> None:
    digest = archive(tmp_path / "plugins.tgz")
    done = node(
        f"{BARE}state > /run/before\n"
        f"nodeprep cni install --archive {tmp_path}/plugins.tgz --sha256 {digest} > /dev/null\n"
        "nodeprep cni install --mtu 1400 -o json\ntest -x /opt/cni/bin/bridge\n"
        f"nodeprep cni remove > /dev/null\n{SAME}"
    )
    changes = [item["object"] for item in json.loads(done.stdout)["changes"]]
    assert not [item for item in changes if "/opt/cni/bin" in item]


def test_remove_refuses_with_pods_on_the_bridge_and_after_somebodys_change() -> None:
    done = node(
        f"{BARE}nodeprep cni install > /dev/null\nip netns add p1\n"
        "nodeprep cni add c1 /run/netns/p1 > /dev/null\n"
        "nodeprep cni remove || test $? = 1\nnodeprep cni del c1 > /dev/null\n"
        "echo >> /etc/sysctl.d/99-nodeprep-pods.conf\nnodeprep cni remove || test $? = 1\n"
        "nodeprep cni remove --force > /dev/null\ntest ! -e /etc/sysctl.d/99-nodeprep-pods.conf"
    )
    pods, changed = done.stderr.splitlines()
    assert "1 pods hang on the bridge" in pods
    assert "changed by somebody since" in changed


@pytest.mark.parametrize("after", [0.25, 0.32, 0.4])
def test_killed_at_any_point_it_can_be_undone(after: float) -> None:
    node(
        f"{BARE}state > /run/before\n"
        f"{sys.executable} -m preflight cni install > /dev/null & sleep {after}\n"
        "kill -9 $! 2> /dev/null || true; wait $! || true\n"
        f"nodeprep cni remove > /dev/null\n{SAME}"
    )


def test_killed_between_the_steps_of_the_bridge_it_can_be_undone(tmp_path: Path) -> None:
    ip = shutil.which("ip")
    assert ip
    wrapper = tmp_path / "ip"
    wrapper.write_text(
        f'#!/bin/sh\n{ip} "$@" || exit\n'
        'case "$*" in "link add cni0"*) touch /run/killed; kill -9 $PPID;; esac\n'
    )
    wrapper.chmod(0o755)
    node(
        f"{BARE}state > /run/before\n"
        f"PATH={tmp_path}:$PATH nodeprep cni install > /dev/null || true\n"
        "test -e /run/killed; rm /run/killed; ip link show cni0 > /dev/null\n"
        f"nodeprep cni remove > /dev/null\n{SAME}"
    )


SECOND = r"""
# The outside becomes a switch, and a second node hangs on it.
ip netns add n2
ip -n peer link add sw0 type bridge
ip -n peer address flush dev lan0
ip -n peer link set lan0 master sw0
ip -n peer address add 192.0.2.1/24 dev sw0
ip -n peer link add lan1 type veth peer name up0 netns n2
ip -n peer link set lan1 master sw0 up
ip -n peer link set sw0 up
ip -n n2 address add 192.0.2.21/24 dev up0
ip -n n2 link set up0 up
ip -n n2 link set lo up
ip -n n2 route add default via 192.0.2.1
ip netns add p1; ip netns add p2
nodeprep cni install > /dev/null
nodeprep cni add c1 /run/netns/p1 > /dev/null
# Its own /etc and /var, the same plugins, another name.
unshare --uts --mount nsenter --net=/run/netns/n2 bash -ec '
  hostname w1
  for place in /etc/cni /var/lib/cni /var/lib/nodeprep; do
    mkdir -p $place; mount -t tmpfs -o mode=755 tmpfs $place; done
  mount -t sysfs sysfs /sys
  $0 -m preflight cni install > /dev/null
  $0 -m preflight cni add c2 /run/netns/p2 > /dev/null' PYTHON
PYTHON -m tests.cni.twonodes /run/netns/p1 /run/netns/p2 10.244.2.2
PYTHON -m tests.cni.twonodes /run/netns/p2 /run/netns/p1 10.244.1.2
PYTHON -m tests.cni.twonodes /run/netns/p1 /run/netns/peer 192.0.2.1
""".replace("PYTHON", sys.executable)


def test_two_nodes_reach_each_others_pods_with_their_own_addresses() -> None:
    done = node(f"{BARE}{SECOND}")
    # From pod to pod as it is; to the outside by the node's address.
    assert done.stdout.split() == ["10.244.1.2", "10.244.2.2", "192.0.2.11"]


def test_the_plugins_own_masquerade_hides_the_pods_of_other_nodes() -> None:
    shell = SECOND.replace("cni install", "cni install --masquerade plugin")
    done = node(f"{BARE}{shell}")
    assert done.stdout.split() == ["192.0.2.11", "192.0.2.21", "192.0.2.11"]
