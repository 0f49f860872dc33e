"""What somebody puts where `cni` reads: none of it hangs, changes the host, or is called proven."""

from __future__ import annotations

import json

import pytest

from tests.cni.node import CONF_PATH, bridge, node
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
OLD = {
    "name": "old",
    "type": "bridge",
    "bridge": "cni0",
    "isGateway": True,
    "ipMasq": True,
    "hairpinMode": True,
    "ipam": {"type": "host-local", "subnet": "10.244.1.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
}


@pytest.fixture(autouse=True)
def _kernel() -> None:
    require_kernel()


def test_the_hosts_own_network_is_no_containers() -> None:
    done = node(
        "ip -br link > /run/before\n"
        "for path in /proc/self/ns/net /proc/1/ns/net proc/1/ns/net /etc/passwd /run/none; do\n"
        "  nodeprep cni add c1 $path && exit 9\ndone\n"
        "ip -br link | grep -v cni0 | diff /run/before - >&2",
        conf=bridge(),
    )
    said = done.stderr.splitlines()
    assert "/proc/self/ns/net is this host's own network" in said[0]
    assert "/proc/1/ns/net is this host's own network" in said[1]
    assert "no absolute path" in said[2]
    assert "/etc/passwd" in said[3]
    assert "/run/none is not there" in said[4]
    assert len(said) == 5


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_a_single_plugin_of_the_first_versions(version: str) -> None:
    """Their results have ip4 in place of ips; all probes are made all the same."""
    conf = json.dumps({"cniVersion": version, **OLD})
    done = node(
        f"rm -f {CONF_PATH}; printf '%s' '{conf}' > /etc/cni/net.d/05-old.conf\n"
        "ip netns add p1; nodeprep cni add c1 /run/netns/p1; nodeprep cni del c1 > /dev/null\n"
        "nodeprep cni prove -o json | tr -d '\\n'"
    )
    added, proof = done.stdout.splitlines()
    assert added == "c1 eth0 10.244.1.2/24 (added)"
    steps = {step["name"] for step in json.loads(proof)["steps"]}
    assert json.loads(proof)["proven"] is True
    assert {"pod-to-pod", "pod-to-outside", "hairpin", "host-to-pod"} <= steps


def test_pods_without_an_address_are_not_proven() -> None:
    # A chain of a plugin that nobody knows, which gives none and is not said to.
    silent = "#!/bin/sh\\nexec /usr/lib/cni/bridge"
    done = node(
        f"printf '{silent}' > /opt/cni/bin/silent; chmod 755 /opt/cni/bin/silent\n"
        "nodeprep cni prove --plugin-dir /opt/cni/bin -o json || test $? = 3",
        # bridge 1.1.1 has no CHECK for pods without an address.
        conf=bridge(type="silent", ipam=None, isGateway=None, ipMasq=None) | {"disableCheck": True},
    )
    proof = json.loads(done.stdout)
    assert proof["proven"] is False
    unknown = [step for step in proof["steps"] if step["ok"] is None]
    assert [step["name"] for step in unknown] == ["pod-to-pod"]
    assert "got no address" in unknown[0]["detail"]


LEASES = r"""
ip netns add p1
nodeprep cni add c1 /run/netns/p1 > /dev/null
cd /var/lib/cni/networks/pods
mkdir 10.244.1.200
ln -s /etc/passwd 10.244.1.202
head -c 100000 /dev/urandom > 10.244.1.203
: > 10.244.1.204
printf 'x\ny\nz' > 10.244.1.205
printf 'dead\r\neth0' > "$(printf '10.244.1.206\n\033[31m')"
printf 'dead\r\neth0' > 10.244.1.207
printf '../../../etc/passwd\r\neth0' > 10.244.1.208
echo garbage > /var/lib/cni/results/pods-dead-eth0
# A caller was killed while it wrote them: one of an hour ago, and one that is being written now.
touch -d '1 hour ago' /var/lib/cni/results/.pods-dead-eth0.4242.tmp
touch /var/lib/cni/results/.pods-new-eth0.4243.tmp
touch -h -d '1 hour ago' * /var/lib/cni/results/*
sha256sum /etc/passwd > /run/before
nodeprep cni gc --dry-run -o json | tr -d '\n'; echo
nodeprep cni gc > /run/said || echo $?
sha256sum /etc/passwd | diff /run/before - >&2
cat /run/said >&2
ls -A /var/lib/cni/results
ls -1 --quoting-style=c
nodeprep cni check c1
"""


def test_what_is_no_lease_is_left_alone() -> None:
    done = node(LEASES, conf=bridge())
    planned, *listed, checked = done.stdout.splitlines()
    cached = [".pods-new-eth0.4243.tmp", "pods-c1-eth0", "pods-dead-eth0"]
    assert sorted(listed[:3]) == cached
    removed = [".pods-dead-eth0.4242.tmp"] + [
        f"10.244.1.{last}" for last in (203, 204, 205, 207, 208)
    ]
    places = [item["object"].rpartition("/")[2] for item in json.loads(planned)["changes"]]
    assert sorted(places) == removed
    # The living pod's, a directory, a link, and a name that is no address.
    assert listed[3:] == [
        '"10.244.1.2"', '"10.244.1.200"', '"10.244.1.202"', r'"10.244.1.206\n\033[31m"',
        '"last_reserved_ip.0"', '"lock"',
    ]  # fmt: skip
    assert "as it made it" in checked
    assert "\x1b" not in done.stderr
