"""Containers that somebody put into the network by hand: for doctor and gc they live."""

from __future__ import annotations

import pytest

from tests.cni.node import node
from tests.cni.test_install import BARE
from tests.kernel import require_kernel

# One in a namespace with a name, and one in that of a process, as Docker's are.
CONTAINERS = r"""
iptables -P FORWARD DROP
nodeprep cni install > /dev/null
ip netns add p1
unshare --net sleep 120 &
pid=$!
until ! test /proc/$pid/ns/net -ef /proc/self/ns/net; do sleep 0.02; done
nodeprep cni add c1 /run/netns/p1 --publish 8080:80 > /dev/null
nodeprep cni add c2 /proc/$pid/ns/net --publish 8081:80 > /dev/null
touch -d '1 hour ago' /var/lib/cni/networks/pods/* /var/lib/cni/results/*
"""


@pytest.mark.kernel
def test_who_lives_by_hand() -> None:
    require_kernel()
    done = node(
        f"{BARE}{CONTAINERS}nodeprep cni doctor\nnodeprep cni gc\n"
        "nodeprep cni check c1 > /dev/null\nnodeprep cni check c2 > /dev/null\n"
        "kill $pid; wait $pid || true; nodeprep cni gc; nodeprep cni gc\n"
        "nodeprep cni check c1 > /dev/null; ls /var/lib/cni/results",
        timeout_s=90,
    )
    doctor, *collected, left = done.stdout.splitlines()
    assert doctor.startswith("healthy: ")
    assert "2 live pods" in doctor
    first, *removed, last = collected
    assert (first, last) == ("nothing of dead pods is left",) * 2
    assert [line.split()[1] for line in removed][:2] == ["cache", "lease"]
    assert {line.split()[1] for line in removed} == {"cache", "lease", "chain"}
    assert left == "pods-c1-eth0"
