"""Seeded faults of ports: taken, refused, in the NodePort range, among those of connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from preflight.facts.model import Facts
from preflight.facts.model.ports import BindProbe, Listener
from preflight.target import Phase
from rules.cluster import Role
from rules.version import Version
from tests.faults.model import LiveFault, SavedFault
from tests.nodes import ports
from tests.nodes.ports import MASTER, listener


def hold(name: str, family: str, kind: str, address: str, port: int) -> str:
    """Shell: a process called ``name`` that binds a port; it ends with the namespace."""
    return f"""python3 - <<'END' >/dev/null 2>&1
import os, socket, time
held = socket.socket(socket.{family}, socket.{kind})
if held.family == socket.AF_INET6:
    held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
held.bind(("{address}", {port}))
if held.type == socket.SOCK_STREAM:
    held.listen()
if os.fork() == 0:
    open("/proc/self/comm", "w").write("{name}")
    time.sleep(60)
END"""


def after(*listeners: Listener, without: tuple[int, ...] = ()) -> Callable[[Facts], Facts]:
    """A running master on which these listen beside the usual ones."""
    kept = tuple(each for each in MASTER if each.port not in without)
    return lambda facts: replace(
        facts, ports=replace(ports.running(), listeners=(*ports.LISTENERS, *kept, *listeners))
    )


def listening(*listeners: Listener) -> Callable[[Facts], Facts]:
    """The node before kubeadm, on which these listen too."""
    return lambda facts: replace(
        facts, ports=replace(ports.healthy(), listeners=(*ports.LISTENERS, *listeners))
    )


def probe(family: int, error: str) -> Callable[[Facts], Facts]:
    """The node before kubeadm, where binding 6443 says this."""
    answer = BindProbe("tcp", family, 6443, error)
    others = tuple(
        each
        for each in _probes()
        if (each.protocol, each.family, each.port) != (answer.protocol, family, answer.port)
    )
    return lambda facts: replace(
        facts, ports=replace(ports.healthy(), bind_probes=(*others, answer))
    )


def _probes() -> tuple[BindProbe, ...]:
    found = ports.healthy().bind_probes
    assert isinstance(found, tuple)
    return found


PORT_FREE = frozenset({"port-free"})
NODEPORT = frozenset({"nodeport-range-free"})

FAULTS: tuple[SavedFault | LiveFault, ...] = (
    LiveFault(
        "6443 is taken by a load balancer",
        PORT_FREE,
        hold("haproxy", "AF_INET", "SOCK_STREAM", "0.0.0.0", 6443),  # noqa: S104
    ),
    LiveFault(
        "10250 is taken on IPv6 only",
        PORT_FREE,
        hold("webserver", "AF_INET6", "SOCK_STREAM", "::", 10250),
        role=Role.WORKER,
    ),
    LiveFault(
        "the scheduler's port is taken on loopback",
        PORT_FREE,
        hold("agent", "AF_INET", "SOCK_STREAM", "127.0.0.1", 10259),
    ),
    LiveFault(
        "flannel's UDP port is taken",
        PORT_FREE,
        hold("collector", "AF_INET", "SOCK_DGRAM", "0.0.0.0", 8472),  # noqa: S104
        arguments=("--offline", "--cni", "flannel"),
    ),
    LiveFault(
        "a program listens in the NodePort range",
        NODEPORT,
        hold("gameserver", "AF_INET", "SOCK_DGRAM", "0.0.0.0", 30777),  # noqa: S104
        role=Role.WORKER,
    ),
    LiveFault(
        "connections take ports of the NodePort range",
        frozenset({"nodeport-ephemeral-clash"}),
        "echo 20000 60999 > /proc/sys/net/ipv4/ip_local_port_range",
        role=Role.WORKER,
    ),
    SavedFault("binding 6443 is not permitted", PORT_FREE, probe(4, "EACCES")),
    SavedFault("a socket that does not listen holds 6443", PORT_FREE, probe(6, "EADDRINUSE")),
    SavedFault(
        "a load balancer on another address, for kubeadm 1.36",
        PORT_FREE,
        listening(listener("192.0.2.100:10257", 812, "haproxy", "haproxy.service")),
        version=Version(1, 36),
    ),
    SavedFault(
        "the tunnel of an earlier pod network holds a NodePort",
        NODEPORT,
        listening(listener("0.0.0.0:31789", None, protocol="udp", kernel=True)),
        role=Role.WORKER,
    ),
)
# The healthy node does not run yet: these say what a run after kubeadm finds.
RUNNING = frozenset({"port-listening"})
FAULTS += (
    SavedFault(
        "a program holds the API server's port after kubeadm",
        RUNNING,
        after(listener("0.0.0.0:6443", 812, "haproxy", "haproxy.service"), without=(6443,)),
        phase=Phase.AFTER,
        baseline=after(),
    ),
    SavedFault(
        "the kubelet listens on loopback only",
        RUNNING,
        after(listener("127.0.0.1:10250", 1900, "kubelet", "kubelet.service"), without=(10250,)),
        phase=Phase.AFTER,
        baseline=after(),
    ),
)
