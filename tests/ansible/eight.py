"""The eight hosts of the fleet's tests as machines with sshd, and their faults put into them.

The racks and the router are those of tests/fleet. Two of the machines are alike in name, address
and MAC, so the controller reaches each over a network of its own, by a name.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.ansible.lab import CONTROLLER_NAME, HOOKS, Host, Lab, Router, Server
from tests.fleet.eight import CLOCK, CLONE, FAULTS, HOSTS, ORIGINAL, identity, mac, pod_range
from tests.fleet.lab import RACKS, SETUP
from tests.rules.backend.lab import ROOT

_MANAGED = "2001:db8:ff::"
_CONF = "/etc/cni/net.d/10-pods.conflist"
_RACKS = "\n".join(f"rack {rack} {network} 2001:db8:{rack}::" for rack, network in RACKS.items())
_BETWEEN = f"""
{SETUP}
{_RACKS}
mkdir -p /run/cp
ip link set lo up
ip link add manage type bridge mcast_snooping 0
ip link set manage up
ip netns add {CONTROLLER_NAME}
quieten {CONTROLLER_NAME}
ip link add controller type veth peer name eth0 netns {CONTROLLER_NAME}
ip link set controller master manage up
on {CONTROLLER_NAME} ip address add {_MANAGED}1/64 dev eth0 nodad
on {CONTROLLER_NAME} ip link set eth0 up
echo ready
exec sleep 900
"""
# What `unshare` gives to a machine is the DMI and the boot of the one that the test runs on.
_IDENTITY = """
mkdir -p /run/class
mount --bind /sys/class /run/class
mount -t tmpfs none /sys/class
mkdir -p /sys/class/net /sys/class/dmi/id
mount --bind /run/class/net /sys/class/net
echo '{product_uuid}' > /sys/class/dmi/id/product_uuid
echo '{boot_id}' > /proc/sys/kernel/random/boot_id
echo '{machine-id}' > /etc/machine-id
mkdir -p /etc/cni/net.d
rm -f /etc/cni/net.d/*
"""
_WORDS = f"""
set -e
on() {{
    name=$1; shift
    if [ "$name" = r ]; then set -- ip netns exec r "$@"; fi
    nsenter -t "${{pids[$name]}}" -n -m -u -p -- "$@"
}}
wake() {{
    on "$1" ip link set up0 up
    on "$1" ip route add default via 192.0.2.1
}}
rest() {{ on "$1" ip link set up0 down; }}
# It is there before any play begins, and it tells its number in the machine.
occupy() {{
    on "$1" sh -c 'echo $$ >/run/foreign; exec "$@"' sh \\
        {shlex.quote(sys.executable)} -m tests.fleet.foreign "$2" </dev/null >/dev/null 2>&1 &
    until on "$1" ss -Hltn "sport = :$2" | grep -q .; do sleep 0.1; done
}}
vacate() {{ on "$1" sh -c 'kill "$(cat /run/foreign)"'; }}
clock() {{
    on "$1" mkdir -p {HOOKS}
    on "$1" tee {HOOKS}/offset <<<"$2" >/dev/null
    on "$1" tee {HOOKS}/sitecustomize.py <"$LAB/clock.py" >/dev/null
}}
take_range() {{ on "$1" tee {_CONF} <"$LAB/$2.conflist" >/dev/null; }}
own_range() {{ take_range "$1" "$1"; }}
"""


class Between(Router):
    """The namespaces of the racks, the router and the controller."""

    setup = _BETWEEN


def _host(name: str) -> Host:
    like = next(host for host in HOSTS if host.name == (ORIGINAL if name == CLONE else name))
    return Host(
        name,
        like.number,
        _IDENTITY.format_map({key: text.strip() for key, text in identity(name).items()}),
        RACKS[like.rack],
        like.name,
        f"{name}.example.net",
    )


MACHINES = (*(_host(host.name) for host in HOSTS), _host(CLONE))


class Eight(Lab):
    """All of it. ``seeded`` and ``mended`` put faults in and take them out."""

    between = Between

    def __init__(self, place: Path) -> None:
        super().__init__(place, MACHINES)

    def __enter__(self) -> Eight:
        super().__enter__()
        (self.place / "clock.py").write_text(CLOCK)
        for host in HOSTS:
            plugin = {
                "type": "bridge",
                "ipam": {"type": "host-local", "ranges": [[{"subnet": pod_range(host.name)}]]},
            }
            document = {"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]}
            (self.place / f"{host.name}.conflist").write_text(json.dumps(document))
        self._say(*(f"own_range {host.name}" for host in HOSTS), f"rest {CLONE}")
        names = "".join(f"{_managed(host)} {host.reached}\n" for host in MACHINES)
        self.router.shell(f"printf '{names}' > /run/hosts; mount --bind /run/hosts /etc/hosts")
        return self

    def inventory(self, faults: tuple[str, ...]) -> str:
        """The hosts as an administrator lists them; the clone as one more worker."""
        masters = [host.name for host in HOSTS if host.role == "multi-master"]
        workers = [host.name for host in HOSTS if host.role == "worker"]
        workers += [CLONE] if "clone" in faults else []
        groups = {"kube_control_plane": masters, "etcd": masters, "kube_node": workers}
        return "\n".join(f"[{name}]\n" + "\n".join(hosts) for name, hosts in groups.items())

    def seeded(self, faults: tuple[str, ...]) -> None:
        """Puts the faults in."""
        self._say(*(FAULTS[fault].apply for fault in faults))

    def mended(self, faults: tuple[str, ...]) -> None:
        """Takes them out again."""
        self._say(*(FAULTS[fault].undo for fault in reversed(faults)))

    def _say(self, *lines: str) -> None:
        """Runs shell with the words of the table of faults."""
        pids = {name: server.pid for name, server in self.servers.items()}
        known = " ".join(f"[{name}]={pid}" for name, pid in {**pids, "r": self.router.pid}.items())
        done = subprocess.run(
            ["bash", "-c", "\n".join([f"declare -A pids=({known})", _WORDS, *lines])],
            capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
            env={**os.environ, "LAB": str(self.place)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def _cable(self, name: str, server: Server) -> None:
        inside = ["nsenter", "-t", str(self.router.pid), "-n", "-m", "ip"]
        rack = next(rack for rack, network in RACKS.items() if network == server.host.network)
        pid, there = server.pid, f"-n rack{rack}"
        for argv in (
            f"{there} link add {name} type veth peer name up0 address {mac(name)} netns {pid}",
            f"{there} link set {name} master br0 up",
            f"link add {name} type veth peer name manage0 netns {pid}",
            f"link set {name} master manage up",
        ):
            subprocess.run([*inside, *argv.split()], check=True)
        server.shell(
            f"ip address add {_managed(server.host)}/64 dev manage0 nodad; ip link set manage0 up"
        )
        if name == CLONE:
            for end in ("", ".pub"):
                path = f"/etc/ssh/ssh_host_ed25519_key{end}"
                server.write(path, self.servers[ORIGINAL].read(path))
            server.shell("chmod 600 /etc/ssh/ssh_host_ed25519_key")


def _managed(host: Host) -> str:
    return f"{_MANAGED}{11 + MACHINES.index(host)}"
