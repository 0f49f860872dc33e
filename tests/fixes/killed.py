"""Applies or undoes a plan of every kind of step, and kills itself before its N-th change.

    python -m tests.fixes.killed fix|undo N

Prints how many changes there were where it was not killed (N of -1 never is).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from preflight.facts.swap import parse_fstab
from preflight.fixes import execute, journal
from preflight.fixes.edits import comment_out, loopback_in_hosts
from preflight.fixes.ownfile import MODULES_FILE, SYSCTL_FILE, own_rows
from preflight.fixes.plan import make_plan
from preflight.fixes.steps import (
    Step,
    edit_file,
    enable_unit,
    mask_unit,
    put_link,
    set_sysctl,
    set_to,
)
from rules.state import Store

SEED = """
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 100 > /proc/sys/fs/inotify/max_user_watches
printf '/swap.img file 1024 0 -2\\n' >> /run/swaps
printf '/swap.img none swap sw 0 0' > /etc/fstab
chmod 640 /etc/fstab; chown 0:4 /etc/fstab
printf '192.0.2.11 lab-node\\n' > /etc/hosts
printf '[Unit]\\n' > /etc/systemd/system/dev-sdb1.swap
printf '[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n' \\
    > /etc/systemd/system/chrony.service
"""
RESTART = (("systemctl", "restart", "containerd.service"),)
# What changes something: before each of these the program may die.
_CHANGES = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod", "os.chown",
    "os.setxattr", "os.utime", "os.truncate", "subprocess.Popen", "socket.sethostname",
}  # fmt: skip


def steps() -> list[Step]:
    def new(text: str) -> Any:
        return lambda _text: text

    def without_swap(text: str | None) -> str:
        return comment_out(text or "", lambda line: bool(parse_fstab("", line)), "x")

    return [
        own_rows(MODULES_FILE, "kernel-modules", {"br_netfilter": "br_netfilter"}),
        own_rows(SYSCTL_FILE, "ip-forward", {"net.ipv4.ip_forward": "net.ipv4.ip_forward = 1"}),
        set_sysctl("net.ipv4.ip_forward", "1", "ip-forward"),
        set_sysctl("fs.inotify.max_user_watches", "65536", "inotify-limits"),
        set_to("swap", "/swap.img", None, "swap-off"),
        edit_file("/etc/fstab", without_swap, "persistent-swap"),
        edit_file("/etc/hosts", lambda text: loopback_in_hosts(text, "x"), "localhost-resolves"),
        mask_unit("dev-sdb1.swap", "persistent-swap"),
        edit_file("/etc/new/below/it.conf", new("x\n"), "cri-cgroup-driver", effects=RESTART),
        put_link("/opt/cni/nodeprep-test/bin/bridge", "/usr/lib/cni/bridge", "cri-cni-paths"),
        enable_unit("chrony.service", "time-synchronised"),
        set_to("unit-active", "chrony.service", "active", "time-synchronised"),
        set_to("hostname", "of the machine", "w7", "hostname-set"),
    ]


def watch(fatal: int) -> Callable[[], int]:
    """From now on this process dies before its change number ``fatal``; gives the count so far."""
    count = 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
        if event in _CHANGES or (writes and not _is_open_setting(arguments[0])):
            if count == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    sys.addaudithook(look)
    return lambda: count


def _is_open_setting(opened: Any) -> bool:
    """Whether it is the descriptor of a kernel setting, which keeps its value when it is opened to
    be truncated. The labs' copies are plain files, and would be empty: as no kernel's ever is."""
    if not isinstance(opened, int):
        return False
    return os.readlink(f"/proc/self/fd/{opened}").startswith("/proc/sys/")


def main(verb: str, fatal: int) -> None:
    store = Store(journal.SUBJECT)
    with store.lock():
        earlier = journal.journals(store)
        count = watch(fatal)
        if verb == "undo":
            problems = execute.undo(earlier[-1], store) if earlier else ()
        else:
            plan = make_plan(steps(), unfinished=execute.unfinished(earlier))
            problems = execute.apply(plan, store, earlier)
    assert not problems, problems
    print(count())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
