"""What a fix writes is what the next boot makes: read by the boot's own programs, for real."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixes import modular
from tests.fixes.cases import CASES
from tests.fixes.lab import Node
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
SEEDS = {case.name: case.seed for case in CASES}
IDS = ",".join(
    [
        *("ip-forward", "bridge-nf-call", "inotify-limits", "nodeport-ephemeral-clash"),
        *("persistent-sysctl", "kernel-modules", "persistent-modules"),
    ]
)
# A kernel that has just started, and what its files made of it before the fix.
FRESH = """
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables
printf '' > /proc/sys/net/ipv4/ip_local_reserved_ports
echo 128 > /proc/sys/fs/inotify/max_user_instances
echo 8192 > /proc/sys/fs/inotify/max_user_watches
: > /run/modules
"""
SITE = """
printf 'net.ipv4.ip_forward = 0\\nfs.inotify.max_user_watches = 100\\n' > /etc/sysctl.d/50-site.conf
printf 'net.bridge.bridge-nf-call-iptables = 0\\n' > /etc/sysctl.d/99-zzzz.conf
"""
# Each module that modules-load.d names is handed to the lab's kernel by libkmod.
MODULES_LOAD = f"""
mkdir -p /run/modprobe.d
for name in {" ".join(modular.LOADABLE)}; do
    echo "install $name /run/bin/modprobe -- $name" >> /run/modprobe.d/lab.conf
done
/usr/lib/systemd/systemd-modules-load
rm /run/modprobe.d/lab.conf
"""
APPLIERS = {
    "systemd": f"{MODULES_LOAD}\n/usr/lib/systemd/systemd-sysctl",
    "procps": f"{MODULES_LOAD}\nsysctl --system",
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    require_kernel("/usr/lib/systemd/systemd-modules-load", "/usr/lib/systemd/systemd-sysctl")
    made = Node(tmp_path, SEEDS["modules"] + FRESH + SITE, "tests.fixes.modular")
    yield made
    made.close()


def judged(node: Node, *arguments: str) -> dict[tuple[str, str], Any]:
    """What the whole `nodeprep check` says of each subject."""
    argv = ["check", "--role", "master", "--offline", "-o", "json", *arguments]
    process = node.start(sys.executable, "-m", node.module, *argv)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 1), err
    return {
        (each["id"], each["subject"]): (each["status"], each["observed"])
        for each in json.loads(out)["findings"]
    }


def test_settings_and_modules_are_the_same_after_a_reboot(node: Node) -> None:
    node.shell("echo 'ip_vs 1 0 - Live 0x0' > /run/modules")
    done = node.fix("--only", IDS)
    assert done["verdict"] == "ready"
    assert [change["object"] for change in done["changes"] if "99-zzzz" in change["object"]]
    assert {"module ip_set", "module xt_set"} <= {each["object"] for each in done["changes"]}
    before = judged(node)
    assert before["persistent-modules", ""][0] == "pass"
    # A kernel that has read nothing is another one, so the boot below is what makes it the same.
    node.shell(FRESH)
    assert judged(node) != before
    for applier, boot in APPLIERS.items():
        node.shell(f"{FRESH}\n{boot}")
        assert judged(node) == before, applier
    after = node.fix("--only", IDS, "--dry-run")
    assert (after["changed"], after["verdict"]) == (False, "ready")


def test_rules_and_pod_network_are_the_same_after_a_reboot(tmp_path: Path) -> None:
    require_kernel()
    names = ("no pod network", "a packet filter that drops")
    site = SEEDS[names[1]]
    node = Node(tmp_path, "\n".join(SEEDS[name] for name in names))
    try:
        asked = ("--phase", "after", "--only", "cni-conf-winner,firewall-admits,firewall-forwards")
        assert node.fix(*asked, code=None)["problems"] == []
        before = judged(node, "--phase", "after")
        rules, links = node.rules(node.run("iptables-save")), node.run("ip", "-br", "address")
        node.shell("nft flush ruleset; ip link delete cni0; ip route flush proto static || true")
        assert judged(node, "--phase", "after") != before
        # The site's own rules, then the units that the fix enabled, in the order of the boot.
        node.shell(site)
        for wanted in ("sysinit", "multi-user"):
            for unit in node.shell(
                f"ls /etc/systemd/system/{wanted}.target.wants | grep nodeprep || true"
            ).split():
                text = node.read(f"/etc/systemd/system/{unit}")
                (start,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
                node.shell(start.removeprefix("ExecStart="))
        assert judged(node, "--phase", "after") == before
        assert sorted(node.rules(node.run("iptables-save"))) == sorted(rules)
        assert node.run("ip", "-br", "address") == links
    finally:
        node.close()
