"""The first rules of a host with an open connection: they come in two steps."""

from __future__ import annotations

import sys

import pytest

from tests.rules.backend.lab import Machine, kill, wait_until

pytestmark = pytest.mark.kernel
_SERVER = """
import socket
peer = socket.create_server(("192.0.2.21", 9000)).accept()[0]
print("open", flush=True)
peer.recv(1)
"""
_CLIENT = """
import socket
socket.create_connection(("192.0.2.21", 9000), timeout=20).recv(1)
"""


@pytest.mark.parametrize(
    ("backend", "read"),
    [
        ("nftables", ("nft", "list", "ruleset")),
        ("iptables-legacy", ("iptables-legacy-save", "-t", "filter")),
    ],
)
def test_killed_between_the_two_nothing_is_left(
    machine: Machine, backend: str, read: tuple[str, ...]
) -> None:
    machine.shell(
        "ip netns add world; ip link add eth0 type veth peer name eth0 netns world; "
        "ip address add 192.0.2.11/24 dev eth0; ip link set eth0 up; "
        "ip -n world address add 192.0.2.21/24 dev eth0; ip -n world link set eth0 up"
    )
    world = ("nsenter", "--net=/run/netns/world")
    server = machine.start(*world, sys.executable, "-c", _SERVER)
    wait_until(lambda: "9000" in machine.run(*world, "ss", "-Hltn"))
    client = machine.start(sys.executable, "-c", _CLIENT)
    assert server.stdout is not None
    assert server.stdout.readline() == "open\n"

    apply = machine.start(
        sys.executable, "-m", "preflight", "firewall", "apply", "--backend", backend,
        "--role", "multi-master", "--posture", "enforce", "--confirm-within", "1",
        "--config", str(machine.files["one"]),
    )  # fmt: skip
    shown = [""]

    def is_there() -> bool:
        shown[0] = machine.run(*read, ok=False)
        return "nodeprep:established" in shown[0]

    wait_until(is_there)
    kill(apply)
    assert "nodeprep:enforce" not in shown[0]
    wait_until(lambda: not machine.own().strip())
    done = machine.firewall("apply", backend, "--confirm-within", "0")
    assert done["changed"] is True
    assert "nodeprep:enforce" in machine.own()
    assert client.poll() is None
    kill(client)
    kill(server)
