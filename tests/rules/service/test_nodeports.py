"""NodePorts behind kube-proxy's address translation: who is admitted, and nobody else."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from rules.cluster import Role
from tests.kernel import require_kernel
from tests.rules.backend.lab import ROOT, kill
from tests.rules.service.conftest import CLUSTER
from tests.rules.service.network import Network
from tests.rules.service.proxies import HOST_PORT, POD_PORT, rules

pytestmark = pytest.mark.kernel
NODE = ("192.0.2.21", "2001:db8::21")
POD = ("10.244.1.5", "fd00:244:0:1::5")
CLIENT = ("198.51.100.7", "2001:db8:c::7")
STRANGER = ("192.0.2.99", "2001:db8::99")
OUTSIDE_PORT = 9000


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """A worker with a pod, a client of NodePorts and a stranger, each with a service."""
    require_kernel()
    addresses = {
        "w1": (f"{NODE[0]}/24", f"{NODE[1]}/64"),
        "client": (f"{CLIENT[0]}/24", f"{CLIENT[1]}/64"),
        "stranger": (f"{STRANGER[0]}/24", f"{STRANGER[1]}/64"),
    }
    services = [
        ("pod", "pod", POD_PORT),
        ("w1", "host", HOST_PORT),
        ("client", "client", OUTSIDE_PORT),
        ("stranger", "stranger", OUTSIDE_PORT),
    ]
    with ExitStack() as stack:
        made = stack.enter_context(closing(Network(tmp_path, CLUSTER, addresses)))
        made.add_pod("w1", "pod", [("10.244.1.", 24), ("fd00:244:0:1::", 64)])
        made["w1"].shell(
            "ip route add 198.51.100.0/24 dev eth0; ip route add 2001:db8:c::/64 dev eth0"
        )
        made["client"].shell(
            "ip route add 192.0.2.0/24 dev eth0; ip route add 2001:db8::/64 dev eth0"
        )
        for name in ("client", "stranger"):
            for pods, node in zip(("10.244.0.0/16", "fd00:244::/56"), NODE, strict=True):
                made[name].run("ip", "route", "add", pods, "via", node)
        servers = []
        for name, word, port in services:
            argv = (sys.executable, "-m", "tests.rules.service.server", word, str(port))
            servers.append(made[name].start(*argv, env={"PYTHONPATH": str(ROOT)}))
            stack.callback(kill, servers[-1])
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        yield made


def asked(network: Network, sender: str, *places: tuple[tuple[str, str], int]) -> list[list[str]]:
    """What is said from each place, in IPv4 and in IPv6."""
    flat = [word for ends, port in places for end in ends for word in (end, str(port))]
    argv = (sys.executable, "-m", "tests.rules.service.ask", *flat)
    said = json.loads(network[sender].run(*argv, env={"PYTHONPATH": str(ROOT)}))
    return [said[at : at + 2] for at in range(0, len(said), 2)]


# By NodePort: the pod masqueraded, the pod as it is, the node itself; then around the NodePort.
PLACES = [(NODE, 30080), (NODE, 30082), (NODE, 30081), (POD, POD_PORT), (NODE, HOST_PORT)]
SILENT = ["silent", "silent"]


def answers(asker: tuple[str, str]) -> list[list[str]]:
    """What all of PLACES say where nothing is in the way: the address that they see is told."""
    from_node = ["pod 10.244.1.1", "pod fd00:244:0:1::1"]
    pod, host = ([f"{word} {address}" for address in asker] for word in ("pod", "host"))
    return [from_node, pod, host, pod, host]


def translate(network: Network, proxy: str) -> None:
    """What kube-proxy would have loaded."""
    for node, pod in zip(NODE, POD, strict=True):
        argv, text = rules(proxy, node, pod)
        (network.config.parent / "proxy").write_text(text)
        network["w1"].shell(f"{' '.join(argv)} < {network.config.parent}/proxy")


@pytest.mark.parametrize(
    ("backend", "proxy"),
    [
        ("nftables", "iptables-nft"),
        ("nftables", "nft"),
        ("iptables-nft", "iptables-nft"),
        ("iptables-legacy", "iptables-legacy"),
    ],
)
def test_a_nodeport_is_for_its_clients_only(network: Network, backend: str, proxy: str) -> None:
    translate(network, proxy)
    assert asked(network, "stranger", *PLACES) == answers(STRANGER)

    (done,) = network.apply(["w1"], "worker", backend)
    assert done["changed"] is True
    with ThreadPoolExecutor() as pool:
        client = pool.submit(asked, network, "client", *PLACES)
        stranger = pool.submit(asked, network, "stranger", *PLACES)
    assert client.result() == [*answers(CLIENT)[:3], SILENT, SILENT]
    assert stranger.result() == [SILENT] * 5
    # What the pod itself asks is answered, whoever is asked.
    outside = asked(network, "pod", (CLIENT, OUTSIDE_PORT), (STRANGER, OUTSIDE_PORT))
    assert outside == [[f"{word} {end}" for end in POD] for word in ("client", "stranger")]


def test_every_port_from_a_client_of_nodeports(network: Network) -> None:
    translate(network, "iptables-nft")
    network.apply(["w1"], "worker", "nftables")
    found = network.scan("client", NODE[0], "w1")
    assert found == network.admitted(Role.WORKER, CLIENT[0])
    assert found["tcp"] == [[30000, 32767]]
