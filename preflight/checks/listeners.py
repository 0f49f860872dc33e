"""Who holds a port, whether that is in the way of a row of the matrix, and how to end it. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from ipaddress import ip_address

from preflight.checks.addresses import node_address
from preflight.facts.model import Facts, Unknown, known_or
from preflight.facts.model.network import IPAddress
from preflight.facts.model.ports import Listener
from preflight.target import Target
from preflight.versions.distributions import COMPONENTS, distribution_of
from rules.cluster import Role
from rules.flows import Bind, Flow
from rules.version import Version

LOOPBACKS: tuple[IPAddress, ...] = (ip_address("127.0.0.1"), ip_address("::1"))
# kubeadm up to 1.36 binds these on every address in its preflight, whatever their components do;
# from 1.37 on where the component will (https://github.com/kubernetes/kubernetes/pull/138250).
KUBEADM_TRIES = frozenset(
    {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet-api"}
    | {f"etcd-{kind}{whose}" for kind in ("client", "peer") for whose in ("", "-own")}
)
KUBEADM_TRIES_ONE_ADDRESS = Version(1, 37)
# Kernel devices that hold a UDP port.
TUNNELS = ("vxlan", "geneve", "wireguard", "bareudp", "gtp", "amt")


def on_port(listeners: Iterable[Listener], flow: Flow) -> list[Listener]:
    """The listeners on the row's port and protocol, whatever their address."""
    first, last = flow.ports or (0, -1)
    return [
        each
        for each in listeners
        if each.protocol == flow.protocol.value and first <= each.port <= last
    ]


def families_of(listener: Listener) -> tuple[int, ...]:
    """The address families whose packets reach it."""
    return (4, 6) if listener.dual else (listener.address.version,)


def wanted_addresses(flow: Flow, facts: Facts, target: Target) -> tuple[IPAddress, ...] | None:
    """The addresses that the component of a row binds; None: every one."""
    given = dict(target.settings.bind_addresses).get(flow.component)
    if given is not None:
        return None if given.is_unspecified else (given,)
    if flow.bind is Bind.LOOPBACK:
        return LOOPBACKS
    if flow.bind is Bind.NODE:
        own = node_address(facts, target)
        return None if own is None else (own, *LOOPBACKS)
    return None


def in_the_way(listener: Listener, flow: Flow, facts: Facts, target: Target) -> bool:
    """Whether the row's component could not bind its port beside this listener.

    A program binds both families at once, also in a cluster of one; a tunnel of the kernel only
    those that it carries.
    """
    families = flow.families if not flow.process else frozenset({4, 6})
    if not families.intersection(families_of(listener)):
        return False
    addresses = wanted_addresses(flow, facts, target)
    if addresses is None or kubeadm_refuses(flow, target):
        return True
    if listener.address.is_unspecified:
        reached = families_of(listener)
        return any(address.version in reached for address in addresses)
    return listener.address in addresses


def kubeadm_refuses(flow: Flow, target: Target) -> bool:
    """Whether this kubeadm wants the port to be free on every address."""
    tries = target.role.runs_kubelet and flow.id in KUBEADM_TRIES
    return tries and target.version < KUBEADM_TRIES_ONE_ADDRESS


def place_of(listener: Listener) -> str:
    """``0.0.0.0:6443``, ``[::]:6443``."""
    address = str(listener.address)
    return f"{f'[{address}]' if listener.address.version == 6 else address}:{listener.port}"


def holder(listener: Listener, facts: Facts) -> str:
    """Who holds the socket, as a person would say it."""
    if listener.pid is not None:
        unit = f", {listener.unit}" if listener.unit else ""
        return f"{listener.process or 'a process'} (process {listener.pid}{unit})"
    if listener.kernel:
        what = "a tunnel device" if listener.protocol == "udp" else "no process holds the socket"
        return f"the kernel ({what})"
    if facts.privileges.uid != 0:
        return "a process of another user"
    return "a process that cannot be seen from here"


def remedy(listener: Listener, flow: Flow | None, facts: Facts, target: Target) -> str:
    """The command that ends the listener and keeps it from coming back. ``flow``: whose port."""
    name, unit, pid = listener.process, listener.unit, listener.pid
    wanted = flow is not None and name == flow.process
    if pid is None:
        return _find(listener, facts)
    if distribution := distribution_of(name):
        return distribution.removal
    if target.role is Role.ETCD and wanted:
        return "judge the member that runs with: nodeprep check --role etcd --phase after"
    if name in COMPONENTS:
        return "kubeadm reset"
    if name == "docker-proxy":
        return f"docker stop $(docker ps -q --filter publish={listener.port})"
    if pid == 1 or unit.endswith(".socket"):
        # systemd itself holds the port for a service that it starts on the first connection.
        return (
            "systemctl disable --now $(systemctl list-sockets --no-legend | "
            f"awk '$1 ~ /:{listener.port}$/ {{print $2}}')"
        )
    if unit.endswith(".service") and not unit.startswith("user@"):
        return f"systemctl disable --now {shlex.quote(unit)}"
    if wanted:
        return "kubeadm reset"
    if container := _CONTAINER.fullmatch(unit):
        return f"{_ENGINES[container[1]]} stop {container[2]}"
    return f"kill {pid}"


# The scope that a container engine makes for a container, with the start of the container's id.
_CONTAINER = re.compile(r"(docker|libpod|cri-containerd|crio)-([0-9a-f]{12})[0-9a-f]*\.scope")
_ENGINES = {"docker": "docker", "libpod": "podman", "cri-containerd": "crictl", "crio": "crictl"}


def _find(listener: Listener, facts: Facts) -> str:
    if listener.kernel and listener.protocol == "udp" and not isinstance(facts.network, Unknown):
        every = known_or(facts.network.interfaces, ())
        devices = [item for item in every if item.kind in TUNNELS]
        if len(devices) == 1:
            return f"ip link delete {shlex.quote(devices[0].name)}"
        if devices:
            names = ", ".join(shlex.quote(item.name) for item in devices)
            return f"ip link delete the device that uses port {listener.port}: one of {names}"
    flags = "-ltnp" if listener.protocol == "tcp" else "-lunp"
    return f"as root, find its owner with: ss {flags} 'sport = :{listener.port}'"
