"""A whole cluster in namespaces: three masters, four workers and a clone of one, three racks.

Each host has a name, a machine ID, a product UUID, a boot ID and SSH host keys of its own. Faults
come and go in rounds; in each every host probes, and what a run would gather is in a directory.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fleet.eight import CLOCK, CLONE, FAULTS, HOSTS, ORIGINAL, identity, mac, pod_range
from tests.fleet.lab import NODEPREP, ROOT, SETUP, Host, Lab

TIME_LIMIT_S = 300
# nodeprep with the clock that a file holds, in seconds beside the real one.
_CLOCKED = f"env PYTHONPATH=$LAB/clock {NODEPREP}"


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
            *(f"on {host.name} ip link set eth0 address {mac(host.name)}" for host in HOSTS),
            f"asleep {CLONE} 1 {self.host(ORIGINAL).v4} {mac(CLONE)}",
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
        return self.host(ORIGINAL if name == CLONE else name).role

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
        (self.place / "clock").mkdir()
        (self.place / "clock" / "sitecustomize.py").write_text(CLOCK)
        (self.place / "clock" / "offset").write_text("0\n")
        for host in HOSTS:
            path = self.place / f"{host.name}.yaml"
            document = json.loads(path.read_text())
            for node in document["nodes"]:
                node["podSubnet"] = pod_range(node["name"])
            path.write_text(json.dumps(document))
            self._identify(host.name)
        # The file of one host gives it the range of another, and that one its own.
        wrong = json.loads((self.place / "w3.yaml").read_text())
        for node in wrong["nodes"]:
            other = {"w1": "w3", "w3": "w1"}.get(node["name"], node["name"])
            node["podSubnet"] = pod_range(other)
        (self.place / "w3.as-w1.yaml").write_text(json.dumps(wrong))
        (self.place / f"{CLONE}.yaml").write_text((self.place / f"{ORIGINAL}.yaml").read_text())
        self._identify(CLONE)

    def _identify(self, name: str) -> None:
        """The files that ``be`` lays over the machine's own."""
        place = self.place / "id" / name
        (place / "ssh").mkdir(parents=True)
        for file, text in identity(name).items():
            (place / file).write_text(text)
        public = place / "ssh" / "ssh_host_ed25519_key.pub"
        if name == CLONE:
            public.write_text((self.place / "id" / ORIGINAL / "ssh" / public.name).read_text())
            return
        key = self.place / "key.tmp"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        key.with_suffix(".tmp.pub").rename(public)
        key.unlink()


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
wake() {
    on "$1" ip link set eth0 up
    on "$1" ip route add default via 192.0.2.1
}
rest() { on "$1" ip link set eth0 down; }
# What has a port is there before nodeprep listens.
occupy() {
    stop "$1" ' listen '
    on "$1" PYTHON -m tests.fleet.foreign "$2" 2>/dev/null &
    sleep 0.5
    start "$1"
    await "$1"
}
vacate() {
    stop "$1" tests.fleet.foreign
    stop "$1" ' listen '
    start "$1"
    await "$1"
}
clock() { echo "$2" >"$LAB/clock/offset"; }
take_range() {
    mv "$LAB/$1.yaml" "$LAB/$1.own.yaml"
    cp "$LAB/$1.as-$2.yaml" "$LAB/$1.yaml"
}
own_range() { mv "$LAB/$1.own.yaml" "$LAB/$1.yaml"; }
# A host that is off, with the address and the MAC of another.
asleep() {
    ip netns add "$1"
    quieten "$1"
    ip -n "$1" link add eth0 type veth peer name "$1" netns "rack$2"
    ip -n "rack$2" link set "$1" master br0 up
    on "$1" ip link set eth0 address "$4"
    on "$1" ip address add "$3/24" dev eth0
}
""".replace("PYTHON", shlex.quote(sys.executable))
