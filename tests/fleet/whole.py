"""A whole cluster in namespaces: three masters, four workers and a clone of one, three racks.

Each host has a name, a machine ID, a product UUID, a boot ID and SSH host keys of its own. Faults
come and go in rounds; in each every host probes, and what a run would gather is in a directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fleet.lab import NODEPREP, ROOT, SETUP, Host, Lab

TIME_LIMIT_S = 300
CLONE = "clone"
HOSTS = (
    Host("m1", "multi-master", 1, 11),
    Host("m2", "multi-master", 1, 12),
    Host("m3", "multi-master", 2, 13),
    Host("w1", "worker", 1, 21),
    Host("w2", "worker", 1, 22),
    Host("w3", "worker", 2, 23),
    Host("w4", "worker", 3, 24),
)
_ORIGINAL = "w2"
_MACS = {
    name: f"52:54:00:00:00:{number:02x}"
    for number, name in enumerate(["r", "m1", "m2", "m3", "w1", "w2", "w3", "w4"])
}
# What answers at the kubelet's port and is no kubelet.
_FOREIGN = shlex.join(
    [
        sys.executable,
        "-c",
        "import socketserver as s\n"
        "class H(s.BaseRequestHandler):\n"
        "    def handle(self): self.request.sendall(b'HTTP/1.1 400 Bad Request\\r\\n')\n"
        "s.ThreadingTCPServer.allow_reuse_address = True\n"
        "s.ThreadingTCPServer(('', 10250), H).serve_forever()",
    ]
)
# nodeprep with the clock that a file holds, in seconds beside the real one.
_CLOCKED = shlex.join(
    [
        sys.executable,
        "-c",
        "import os, sys, time\n"
        "ns, ctime = time.time_ns, time.gmtime\n"
        "off = lambda: int(open(os.environ['LAB'] + '/offset').read())\n"
        "time.time_ns = lambda: ns() + off() * 10**9\n"
        "time.gmtime = lambda *at: ctime(*at) if at else ctime(ns() / 1e9 + off())\n"
        "from preflight.cli.main import run\n"
        "sys.exit(run(sys.argv[1:]))",
    ]
)


@dataclass(frozen=True)
class Fault:
    """Shell that seeds it and takes it away; ``cards``: whose card is made again meanwhile."""

    apply: str
    undo: str
    cards: tuple[str, ...] = ()


FAULTS = {
    "clone": Fault(
        f"on {CLONE} ip link set eth0 up; on {CLONE} ip route add default via 192.0.2.1",
        f"on {CLONE} ip link set eth0 down",
        (CLONE,),
    ),
    "firewall": Fault(
        "on w1 nft 'add table inet guard;"
        " add chain inet guard in { type filter hook input priority 0; };"
        " add rule inet guard in udp dport 8472 drop'",
        "on w1 nft delete table inet guard",
        ("w1",),
    ),
    "one-way": Fault(
        "on r nft 'add table ip way; add chain ip way f { type filter hook forward priority 0; };"
        " add rule ip way f ip saddr 192.0.2.0/24 tcp dport 2380 drop'",
        "on r nft delete table ip way",
    ),
    "rejected": Fault(
        "on r nft 'add table ip no; add chain ip no f { type filter hook forward priority 0; };"
        " add rule ip no f ip saddr 192.0.2.0/24 ip daddr 198.51.100.23 tcp dport 10250"
        " reject with icmp type admin-prohibited'",
        "on r nft delete table ip no",
    ),
    "mtu": Fault(
        "on r ip link set to3 mtu 1400; on r nft 'add table ip eat;"
        " add chain ip eat o { type filter hook output priority 0; };"
        " add rule ip eat o icmp type destination-unreachable icmp code 4 drop'",
        "on r ip link set to3 mtu 1500; on r nft delete table ip eat",
    ),
    "foreign": Fault(
        f"stop m2 ' listen '; on m2 {_FOREIGN} 2>/dev/null & sleep 0.5; start m2; await m2",
        "stop m2 TCPServer; stop m2 ' listen '; start m2; await m2",
    ),
    "clock": Fault("echo -300 >$LAB/offset", "echo 0 >$LAB/offset", ("m3",)),
    # The file of one host gives it the range of another.
    "cidrs": Fault(
        "cp $LAB/w3.yaml $LAB/w3.right; cp $LAB/w3.wrong $LAB/w3.yaml",
        "mv $LAB/w3.right $LAB/w3.yaml",
        ("w3",),
    ),
}


class Whole(Lab):
    """The cluster. ``rounds`` runs it."""

    def __init__(self, place: Path) -> None:
        super().__init__(HOSTS, place, seconds=TIME_LIMIT_S, programs={"m3": _CLOCKED})

    def rounds(self, *rounds: tuple[str, ...]) -> list[Path]:
        """One directory for each round of faults: cards and probe reports of all hosts."""
        self._write()
        script = [
            SETUP,
            _HELPERS,
            *self._network(),
            *(f"on {host.name} ip link set eth0 address {_MACS[host.name]}" for host in HOSTS),
            f"asleep {CLONE} 1 {self.host(_ORIGINAL).v4} {_MACS[_ORIGINAL]}",
            *(self._starter(host) for host in HOSTS),
            *(f"start {host.name}" for host in HOSTS),
            f"await {' '.join(host.name for host in HOSTS)}",
            "mkdir $LAB/cards",
            *(self._card(host.name, "$LAB/cards") for host in HOSTS),
            "wait_for_jobs",
        ]
        places = [self.place / f"round-{number}" for number in range(len(rounds))]
        for place, faults in zip(places, rounds, strict=True):
            script += self._round(place.name, faults)
        script += ["stop_listeners", "wait"]
        (self.place / "script.sh").write_text("\n".join(script))
        done = subprocess.run(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "bash", str(self.place / "script.sh")],
            capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False, cwd=ROOT,
            env={**os.environ, "LAB": str(self.place), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
        return places

    def _round(self, name: str, faults: tuple[str, ...]) -> list[str]:
        chosen = [FAULTS[fault] for fault in faults]
        probing = [host.name for host in HOSTS] + ([CLONE] if "clone" in faults else [])
        again = dict.fromkeys(card for fault in chosen for card in fault.cards)
        return [
            f"cp -r $LAB/cards $LAB/{name}",
            *(fault.apply for fault in chosen),
            *(self._card(card, f"$LAB/{name}") for card in again),
            "wait_for_jobs",
            *(
                f"(be {host} {self._nodeprep(host)} probe --role {self._role(host)} --key $LAB/key "
                f"--config $LAB/{host}.yaml -o json >$LAB/{name}/probe-{host}.json "
                f"2>$LAB/{host}.err || [ $? -lt 2 ]) & jobs+=($!)"
                for host in probing
            ),
            "wait_for_jobs",
            *(fault.undo for fault in reversed(chosen)),
        ]

    def _role(self, name: str) -> str:
        return self.host(_ORIGINAL if name == CLONE else name).role

    def _nodeprep(self, name: str) -> str:
        return self.programs.get(name, NODEPREP)

    def _card(self, name: str, place: str) -> str:
        return (
            f"be {name} {self._nodeprep(name)} facts --card --role {self._role(name)} "
            f"--config $LAB/{name}.yaml >{place}/card-{name}.json & jobs+=($!)"
        )

    def _starter(self, host: Host) -> str:
        return (
            f"start_{host.name}() {{ be {host.name} {self._nodeprep(host.name)} listen "
            f"--role {host.role} --key $LAB/key --config $LAB/{host.name}.yaml "
            f"--seconds {self.seconds} -o json >$LAB/{host.name}.listen "
            f"2>$LAB/{host.name}.listen.err; }}"
        )

    def _write(self) -> None:
        self._write_cluster((4,))
        (self.place / "offset").write_text("0\n")
        for number, host in enumerate(HOSTS):
            path = self.place / f"{host.name}.yaml"
            document = json.loads(path.read_text())
            for place, node in enumerate(document["nodes"]):
                node["podSubnet"] = f"10.244.{place}.0/24"
            path.write_text(json.dumps(document))
            self._identify(host.name, number)
        wrong = json.loads((self.place / "w3.yaml").read_text())
        nodes = {node["name"]: node for node in wrong["nodes"]}
        nodes["w1"]["podSubnet"], nodes["w3"]["podSubnet"] = (
            nodes["w3"]["podSubnet"],
            nodes["w1"]["podSubnet"],
        )
        (self.place / "w3.wrong").write_text(json.dumps(wrong))
        # All that a clone has, but for the moment at which it was started.
        (self.place / f"{CLONE}.yaml").write_text((self.place / f"{_ORIGINAL}.yaml").read_text())
        self._identify(CLONE, [host.name for host in HOSTS].index(_ORIGINAL), boot=99)

    def _identify(self, name: str, number: int, boot: int = 0) -> None:
        """The files that ``be`` lays over the machine's own."""
        place = self.place / "id" / name
        (place / "ssh").mkdir(parents=True)
        secret = hashlib.sha256(str(number).encode()).hexdigest()
        started = hashlib.sha256(f"boot {number} {boot}".encode()).hexdigest()
        (place / "hostname").write_text(f"{HOSTS[number].name}\n")
        (place / "machine-id").write_text(f"{secret[:32]}\n")
        (place / "product_uuid").write_text(_uuid(secret) + "\n")
        (place / "boot_id").write_text(_uuid(started) + "\n")
        key = self.place / "key.tmp"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        key.with_suffix(".tmp.pub").rename(place / "ssh" / "ssh_host_ed25519_key.pub")
        key.unlink()
        if name == CLONE:
            own = self.place / "id" / _ORIGINAL / "ssh" / "ssh_host_ed25519_key.pub"
            (place / "ssh" / own.name).write_text(own.read_text())


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def answer(place: Path) -> dict[str, Any]:
    """What `nodeprep fleet report` says about a round."""
    done = subprocess.run(
        [*shlex.split(NODEPREP), "fleet", "report", str(place), "-o", "json"],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.stderr == "", done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


_HELPERS = r"""
jobs=()
wait_for_jobs() { [ ${#jobs[@]} = 0 ] || wait "${jobs[@]}"; jobs=(); }
# A command on a host that has the identity of its own: the files of id/NAME over the machine's.
cat >"$LAB/be.sh" <<'END'
id="$LAB/id/$1"; shift
hostname -F "$id/hostname"
mount --bind "$id/machine-id" /etc/machine-id
mount --bind "$id/boot_id" /proc/sys/kernel/random/boot_id
mount --bind "$id/ssh" /etc/ssh
# The container runtime of the machine is no part of the lab.
[ ! -d /etc/containerd ] || mount -t tmpfs none /etc/containerd
[ ! -x /usr/bin/containerd ] || mount --bind /dev/null /usr/bin/containerd
mkdir -p /run/class
mount --bind /sys/class /run/class
mount -t tmpfs none /sys/class
mkdir -p /sys/class/net /sys/class/dmi/id
mount --bind /run/class/net /sys/class/net
cp "$id/product_uuid" /sys/class/dmi/id/
exec "$@"
END
be() {
    name=$1; shift
    ip netns exec "$name" unshare --mount --uts sh -e "$LAB/be.sh" "$name" "$@"
}
start() { rm -f "$LAB/$1.listen.err"; "start_$1" & }
stop() {
    for pid in $(ip netns pids "$1"); do
        tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "$2" || continue
        kill "$pid"
        while [ -d "/proc/$pid" ]; do sleep 0.05; done
    done
}
# A host that is off, with the address and the MAC of another.
asleep() {
    ip netns add "$1"
    quieten "$1"
    ip -n "$1" link add eth0 type veth peer name "$1" netns "rack$2"
    ip -n "rack$2" link set "$1" master br0 up
    on "$1" ip link set eth0 address "$4"
    on "$1" ip address add "$3/24" dev eth0
}
"""
