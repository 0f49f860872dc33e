"""What a fix writes is what the next boot makes: sysctl.d read by the real sysctl --system."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixes.lab import Node
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
IDS = "ip-forward,bridge-nf-call,inotify-limits,nodeport-ephemeral-clash,persistent-sysctl"
# A kernel that has just started, and what its files made of it before the fix.
FRESH = """
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables
printf '' > /proc/sys/net/ipv4/ip_local_reserved_ports
echo 128 > /proc/sys/fs/inotify/max_user_instances
echo 8192 > /proc/sys/fs/inotify/max_user_watches
"""
SITE = """
printf 'net.ipv4.ip_forward = 0\\nfs.inotify.max_user_watches = 100\\n' > /etc/sysctl.d/50-site.conf
printf 'net.bridge.bridge-nf-call-iptables = 0\\n' > /etc/sysctl.d/99-zzzz.conf
"""


def test_settings_are_the_same_after_a_reboot(tmp_path: Path) -> None:
    require_kernel()
    node = Node(tmp_path, FRESH + SITE)
    try:
        done = node.fix("--only", IDS)
        assert done["verdict"] == "ready"
        assert [change["object"] for change in done["changes"] if "99-zzzz" in change["object"]]
        node.shell(FRESH)
        assert node.fix("--only", IDS, "--dry-run")["changed"] is True
        node.shell(f"{FRESH}\nsysctl --system")
        after = node.fix("--only", IDS, "--dry-run")
        assert (after["changed"], after["verdict"]) == (False, "ready")
        assert after["check"]["summary"] == done["check"]["summary"]
    finally:
        node.close()
