"""firewalld and ufw, really running: through them a port opens, and their reload keeps it."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.rules.backend.lab import Machine, wait_until

pytestmark = pytest.mark.kernel
# Packets from the worker to the API server's port and to one that nobody needs.
_PROBE = r"""
import json, select, socket, time
peers = {}
for port in (6443, 4444):
    peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    peer.setblocking(False)
    peer.connect_ex(("192.0.2.11", port))
    peers[peer] = port
# Refused: it reached the host, where nobody listens. Dropped: nothing is heard. Rejected by a
# rule: another error.
heard, end = set(), time.monotonic() + 0.4
while time.monotonic() < end:
    for peer in select.select([], [*(set(peers) - heard)], [], 0.1)[1]:
        heard.add(peer)
refused = [p for p in heard if p.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 111]
print(json.dumps(sorted(peers[peer] for peer in refused)))
"""


def neighbour(machine: Machine) -> None:
    machine.shell(
        "ip netns add world; ip link add eth0 type veth peer name eth0 netns world; "
        "ip address add 192.0.2.11/24 dev eth0; ip link set eth0 up; "
        "ip -n world address add 192.0.2.21/24 dev eth0; ip -n world link set eth0 up"
    )


def reached(machine: Machine) -> list[int]:
    """The ports of the host that the worker's packets reach."""
    found: list[int] = json.loads(
        machine.run("nsenter", "--net=/run/netns/world", "python3", "-c", _PROBE)
    )
    return found


def start_firewalld(machine: Machine) -> None:
    if shutil.which("firewalld") is None or shutil.which("dbus-daemon") is None:
        pytest.fail("needs the packages firewalld and dbus")
    machine.shell(
        "dbus-daemon --system --fork --nopidfile; "
        "setsid firewalld --nofork --nopid >/dev/null 2>&1 < /dev/null & "
    )
    wait_until(lambda: "running" in machine.run("firewall-cmd", "--state", ok=False))


def test_firewalld(machine: Machine) -> None:
    neighbour(machine)
    start_firewalld(machine)
    machine.shell(
        "firewall-cmd -q --permanent --zone=public --add-port=9999/tcp; firewall-cmd -q --reload"
    )
    before, zone = machine.dump()["nft"], machine.run("cat", "/etc/firewalld/zones/public.xml")
    assert reached(machine) == []
    allow = ("--posture", "allow", "--confirm-within", "0")

    # What only lives in the runtime would be lost by the reload: nobody's settings are lost.
    machine.run("firewall-cmd", "-q", "--zone=public", "--add-port=8888/tcp")
    refused = machine.nodeprep(
        "firewall", "apply", "--role", "multi-master", *allow,
        "--config", str(machine.files["one"]), code=1,
    )  # fmt: skip
    assert "public: ports: 8888/tcp" in refused.stderr
    machine.run("firewall-cmd", "-q", "--zone=public", "--remove-port=8888/tcp")

    done = machine.firewall("apply", "", *allow)
    assert (done["backend"], done["reason"]) == ("firewalld", "firewalld runs")
    assert reached(machine) == [6443]
    files = machine.state_files()
    assert machine.firewall("apply", "", *allow)["changed"] is False
    assert machine.state_files() == files
    machine.run("firewall-cmd", "-q", "--reload")
    assert reached(machine) == [6443]
    assert machine.firewall("verify", "", "--posture", "allow")["ok"] is True

    machine.run(
        "firewall-cmd",
        "-q",
        "--policy=nodeprep-input",
        "--remove-rich-rule",
        'rule family="ipv4" source ipset="nodeprep-nodes_v4" protocol value="132" accept',
        ok=False,
    )
    unconfirmed = ("--posture", "allow", "--confirm-within", "1")
    machine.firewall("apply", "", *unconfirmed, policy="two")
    machine.settle()
    assert machine.firewall("status")["drift"] == []
    assert reached(machine) == [6443]

    machine.firewall("remove")
    assert reached(machine) == []
    assert machine.run("find", "/etc/firewalld", "-name", "nodeprep*") == ""
    assert machine.run("cat", "/etc/firewalld/zones/public.xml") == zone
    assert rules_of(machine.dump()["nft"]) == rules_of(before)


def rules_of(ruleset: str) -> str:
    """Without handles: firewalld's reload makes all of its rules anew."""
    return "\n".join(line.split(" # handle")[0] for line in ruleset.splitlines())


def test_ufw(machine: Machine) -> None:
    if shutil.which("ufw") is None:
        pytest.fail("needs the package ufw")
    neighbour(machine)
    machine.shell(
        "ufw --force enable; ufw allow from 192.0.2.21 to any port 4444 proto tcp; ufw reload"
    )
    files = "find /etc/ufw -type f -exec stat -c '%n %a %U' {} + -exec sha256sum {} + | sort"
    before, theirs = machine.shell("iptables-save; ip6tables-save"), machine.shell(files)
    assert reached(machine) == [4444]

    def apply(posture: str, seconds: int = 0, policy: str = "one") -> dict[str, Any]:
        how = ("--posture", posture, "--confirm-within", str(seconds))
        return machine.firewall("apply", "", *how, policy=policy)

    done = apply("allow")
    assert (done["backend"], done["reason"]) == ("ufw", "ufw is enabled")
    assert reached(machine) == [4444, 6443]
    assert "198.51.100.0" in machine.run("ipset", "save")
    written, state = machine.shell(files), machine.state_files()
    assert apply("allow")["changed"] is False
    assert (machine.shell(files), machine.state_files()) == (written, state)
    machine.run("ufw", "reload")
    assert machine.firewall("verify", "", "--posture", "allow")["ok"] is True

    apply("enforce", seconds=4, policy="two")
    assert reached(machine) == [6443]
    machine.settle()
    assert machine.firewall("status")["drift"] == []
    assert machine.shell(files) == written

    machine.run("ufw", "disable")
    assert machine.firewall("status", code=1)["persistent"] is False
    machine.run("ufw", "--force", "enable")
    assert machine.firewall("status")["persistent"] is True

    machine.firewall("remove")
    assert machine.shell(files) == theirs
    assert reached(machine) == [4444]
    assert machine.run("ipset", "list", "-n") == ""

    def rules(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith(("-", "*"))]

    assert rules(machine.shell("iptables-save; ip6tables-save")) == rules(before)
