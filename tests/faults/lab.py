"""A private copy of the machine in which a fault is put, and `nodeprep check` run for real.

Everything happens in new mount, UTS, PID and network namespaces: /etc, /var, /opt and /usr/local
are overlays in memory, /run is empty, `up0` is a veth to the namespace `peer`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from functools import cache
from typing import Any

from rules.cluster import Role

TIME_LIMIT_S = 60
FILES = r"""
set -e
mount --make-rprivate /
for directory in /etc /var /opt /usr/local; do
    place=/run/overlay$directory
    [ "$directory" = /etc ] && mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p "$place/upper" "$place/work"
    layers=lowerdir=$directory,upperdir=$place/upper,workdir=$place/work
    mount -t overlay overlay -o "$layers" "$directory"
done
mkdir -p /run/netns /run/outer-sys
# A sysfs of this network namespace, with the machine's cgroups.
mount --rbind /sys /run/outer-sys
mount -t sysfs sysfs /sys
mount --rbind /run/outer-sys/fs/cgroup /sys/fs/cgroup
hostname lab-node
printf 'lab-node\n' > /etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n192.0.2.11 lab-node\n' > /etc/hosts
rm -f /etc/resolv.conf
printf 'nameserver 192.0.2.1\n' > /etc/resolv.conf
# No waiting for duplicate address detection of link-local addresses.
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip link set lo up
"""
SETUP = (
    FILES
    + r"""
ip netns add peer
ip link add up0 address 52:54:00:12:34:56 type veth peer name lan0 netns peer
ip address add 192.0.2.11/24 dev up0
ip link set up0 up
ip -n peer address add 192.0.2.1/24 dev lan0
ip -n peer link set lan0 up
ip -n peer link set lo up
ip route add default via 192.0.2.1
export PEER=peer
"""
)


def check(role: Role, arguments: tuple[str, ...], baseline: str, shell: str) -> dict[str, Any]:
    """The report of one run with ``baseline`` and ``shell`` executed before it."""
    command = shlex.join(
        [sys.executable, "-m", "preflight", "check", "--role", role.value, "-o", "json", *arguments]
    )
    # The check's exit code is a verdict; only the set-up may fail the run.
    script = f"{{\n{SETUP}\n{baseline}\n{shell}\n}} >&2\n{command} || true\n"
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--uts",
            "--net",
            "--pid",
            "--fork",
            "--mount-proc",
            "bash",
            "-c",
            script,
        ],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if not done.stdout.strip():
        raise AssertionError(f"the lab printed no report: {done.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@cache
def healthy(role: Role, arguments: tuple[str, ...], baseline: str) -> dict[str, Any]:
    """The report of the lab without a fault."""
    return check(role, arguments, baseline, "")
