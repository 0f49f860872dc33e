"""Hosts in network namespaces behind bridges and a router namespace, and nodeprep run on them.

Everything is in new network, mount and PID namespaces of one `unshare`: nothing of the machine's
own network is seen or touched, and all of it ends with the script.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NODEPREP = shlex.join([sys.executable, "-m", "preflight"])
TIME_LIMIT_S = 120
# Each rack is a network of its own; a router joins them.
RACKS = {1: "192.0.2", 2: "198.51.100", 3: "203.0.113"}


@dataclass(frozen=True)
class Host:
    """A namespace of the lab. Its IPv4 address ends in ``number``, its IPv6 address too."""

    name: str
    role: str
    rack: int
    number: int

    @property
    def v4(self) -> str:
        return f"{RACKS[self.rack]}.{self.number}"

    @property
    def v6(self) -> str:
        return f"2001:db8:{self.rack}::{self.number}"


@dataclass
class Lab:
    """``faults``: shell run after the network is up; ``on NAME command`` runs it on a host or on
    the router ``r``. ``listening``: who runs a listener; all by default. ``programs``: host -> what
    is run there in place of nodeprep. ``ending``: shell run after the probes."""

    hosts: tuple[Host, ...]
    place: Path
    faults: str = ""
    cni: str = "flannel/vxlan"
    listening: tuple[str, ...] | None = None
    seconds: int = 60
    ending: str = "true"
    programs: dict[str, str] = field(default_factory=dict)

    def host(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)

    def run(self, *probing: str, families: tuple[int, ...] = (4,)) -> dict[str, dict[str, Any]]:
        """The reports of `nodeprep probe` on these hosts to all others, at the same time."""
        self._write_cluster(families)
        script = "\n".join(
            [
                SETUP,
                *self._network(),
                # The kernel tells IPv6 once a second at most that a link came up.
                "sleep 2" if 6 in families else "",
                self.faults,
                self._listeners(),
                *self._probes(probing),
            ]
        )
        (self.place / "script.sh").write_text(script)
        done = subprocess.run(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "bash", str(self.place / "script.sh")],
            capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False, cwd=ROOT,
            env={**os.environ, "LAB": str(self.place), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
        found = {}
        for name in probing:
            text = (self.place / f"{name}.out").read_text()
            assert text, (self.place / f"{name}.err").read_text()
            found[name] = json.loads(text)
        return found

    def heard(self, name: str) -> dict[str, Any]:
        """What the listener of a host printed at its end."""
        report: dict[str, Any] = json.loads((self.place / f"{name}.listen").read_text())
        return report

    def _write_cluster(self, families: tuple[int, ...]) -> None:
        name, _, mode = self.cni.partition("/")
        nodes = [
            {
                "name": host.name,
                "role": host.role,
                "addresses": [
                    address
                    for family, address in ((4, host.v4), (6, host.v6))
                    if family in families
                ],
            }
            for host in self.hosts
        ]
        subnets = {4: "10.244.0.0/16", 6: "fd00:10:244::/56"}
        services = {4: "10.96.0.0/12", 6: "fd00:10:96::/112"}
        cluster = {
            "kubernetesVersion": "1.37",
            "networking": {
                "podSubnet": ",".join(subnets[family] for family in families),
                "serviceSubnet": ",".join(services[family] for family in families),
            },
            "cni": {"name": name, "mode": mode},
            "nodes": nodes,
        }
        for host in self.hosts:
            text = json.dumps({**cluster, "nodeName": host.name})
            (self.place / f"{host.name}.yaml").write_text(text)
        (self.place / "key").write_text("5a" * 32 + "\n")
        (self.place / "key").chmod(0o600)

    def _network(self) -> list[str]:
        racks = sorted({host.rack for host in self.hosts})
        lines = [f"rack {rack} {RACKS[rack]} 2001:db8:{rack}::" for rack in racks]
        lines += [
            f"host {host.name} {host.rack} {host.v4} {RACKS[host.rack]}.1 {host.v6} "
            f"2001:db8:{host.rack}::1"
            for host in self.hosts
        ]
        return lines

    def _listeners(self) -> str:
        lines = []
        wanted = self.listening
        for host in self.hosts:
            if wanted is not None and host.name not in wanted:
                continue
            program = self.programs.get(host.name, NODEPREP)
            lines.append(
                f"(on {host.name} {program} listen --role {host.role} --key $LAB/key "
                f"--config $LAB/{host.name}.yaml --seconds {self.seconds} -o json "
                f">$LAB/{host.name}.listen 2>$LAB/{host.name}.listen.err; "
                f"echo $? >$LAB/{host.name}.listen.rc) &"
            )
        names = " ".join(h.name for h in self.hosts if wanted is None or h.name in wanted)
        return "\n".join([*lines, f"await {names}"])

    def _probes(self, probing: tuple[str, ...]) -> list[str]:
        lines = ["probes=()"]
        for name in probing:
            host = self.host(name)
            lines.append(
                f"(on {name} {NODEPREP} probe --role {host.role} --key $LAB/key "
                f"--config $LAB/{name}.yaml -o json >$LAB/{name}.out 2>$LAB/{name}.err || true) "
                "& probes+=($!)"
            )
        # The listeners stop at a word, print what they heard, and the script waits for them.
        lines += ['wait "${probes[@]}"', self.ending, "stop_listeners", "wait"]
        return lines


SETUP = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
on() { ip netns exec "$@"; }
quieten() {
    on "$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 || true
    on "$1" ip link set lo up
}
# Between the racks: one namespace that forwards. Each rack is a bridge in a namespace of its own.
ip netns add r
quieten r
on r sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
on r sysctl -qw net.ipv4.icmp_ratelimit=0
rack() {
    ip netns add "rack$1"
    quieten "rack$1"
    # Snooping may eat the first questions for IPv6 neighbours.
    on "rack$1" ip link add br0 type bridge mcast_snooping 0
    on "rack$1" ip link set br0 up
    ip -n "rack$1" link add uplink type veth peer name "to$1" netns r
    ip -n "rack$1" link set uplink master br0 up
    on r ip address add "$2.1/24" dev "to$1"
    on r ip address add "${3}1/64" dev "to$1" nodad
    on r ip link set "to$1" up
}
host() {
    ip netns add "$1"
    quieten "$1"
    ip -n "$1" link add eth0 type veth peer name "$1" netns "rack$2"
    ip -n "rack$2" link set "$1" master br0 up
    on "$1" ip address add "$3/24" dev eth0
    on "$1" ip address add "$5/64" dev eth0 nodad
    on "$1" ip link set eth0 up
    on "$1" ip route add default via "$4"
    on "$1" ip -6 route add default via "$6"
}
await() {
    for name in "$@"; do
        for _ in $(seq 300); do
            grep -q 'listening on' "$LAB/$name.listen.err" 2>/dev/null && break
            [ -e "$LAB/$name.listen.rc" ] && break
            sleep 0.1
        done
    done
}
stop_listeners() {
    for place in /proc/[0-9]*; do
        if tr '\0' ' ' <"$place/cmdline" 2>/dev/null | grep -q ' listen --role .* --seconds '; then
            kill -TERM "${place#/proc/}" 2>/dev/null || true
        fi
    done
}
"""
