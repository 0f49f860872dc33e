"""Several machines on one switch: a bridge in a namespace of its own, and a leg to each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from preflight.firewall.policy import PolicyRequest, load_policy
from rules.access import Hook, let_through
from rules.cluster import Role
from tests.rules.backend.lab import ROOT, Machine
from tests.rules.service.scan import PORTS, ranges

BACKENDS = ("nftables", "iptables-nft", "iptables-legacy")
EVERY_PORT = [[PORTS[0], PORTS[-1]]]
Ranges = list[list[int]]

# Every closed port says so, however many are asked. A mask of types and not a rate: one limit is
# the whole machine's on older kernels.
_TALKATIVE = """
echo 0 > /proc/sys/net/ipv4/icmp_ratemask
echo 2 > /proc/sys/net/ipv6/icmp/ratemask
"""


class Network:
    """Machines by name, each with ``eth0`` on the switch, and the cluster file that they share."""

    def __init__(
        self, directory: Path, cluster: str, addresses: Mapping[str, Sequence[str]]
    ) -> None:
        self.config = directory / "nodeprep.yaml"
        self.config.write_text(cluster)
        self.machines: dict[str, Machine] = {}
        self._switch = self._machine(directory / "switch")
        try:
            self._switch.shell("ip link add br0 type bridge; ip link set br0 up")
            for name, own in addresses.items():
                self.machines[name] = self._machine(directory / name)
                self._plug(name, own)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends every process of every machine."""
        for machine in (*self.machines.values(), self._switch):
            machine.close()

    def add_pod(self, node: str, name: str, prefixes: Sequence[tuple[str, int]]) -> None:
        """A machine behind ``pod0`` of a node, which forwards for it: it is .5, the node .1."""
        self.machines[name] = self._machine(self.config.parent / name)
        cable(self[node], "pod0", self[name])
        configure(self[node], "pod0", [f"{net}1/{bits}" for net, bits in prefixes])
        configure(self[name], "eth0", [f"{net}5/{bits}" for net, bits in prefixes])
        for net, _ in prefixes:
            self[name].run("ip", "route", "add", "default", "via", f"{net}1")
        for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            self[node].shell(f"echo 1 > /proc/sys/net/{setting}")

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    def apply(self, names: Iterable[str], role: str, backend: str) -> list[dict[str, Any]]:
        """`nodeprep firewall apply` under enforce in each of them, at the same time."""

        def one(name: str) -> dict[str, Any]:
            done = self[name].nodeprep(
                *("firewall", "apply", "--role", role, "--config", str(self.config)),
                *("--posture", "enforce", "--backend", backend),
                *("--confirm-within", "0", "-o", "json"),
            )
            document: dict[str, Any] = json.loads(done.stdout)
            return document

        with ThreadPoolExecutor() as pool:
            return list(pool.map(one, names))

    def scan(self, sender: str, target: str, name: str) -> dict[str, Ranges]:
        """protocol -> ranges of the ports of ``target``, an address of ``name``, that answer.

        All of them are tried, and all that is sent arrives.
        """
        before = self._received(name)

        def one(protocol: str) -> Ranges:
            argv = [sys.executable, "-m", "tests.rules.service.scan", target, protocol]
            found: Ranges = json.loads(self[sender].run(*argv, env={"PYTHONPATH": str(ROOT)}))
            return found

        with ThreadPoolExecutor() as pool:
            found = dict(zip(("tcp", "udp"), pool.map(one, ("tcp", "udp")), strict=True))
        assert self._received(name) - before >= 2 * len(PORTS)
        return found

    def admitted(self, role: Role, sender: str) -> dict[str, Ranges]:
        """protocol -> ranges of the ports of a node that the policy admits from this address.

        A NodePort is counted where nothing translates it.
        """
        policy, _ = load_policy(PolicyRequest(role=role, config=str(self.config)))
        address = ip_address(sender)
        found: dict[str, set[int]] = {"tcp": set(), "udp": set()}
        for admission in let_through(policy):
            if admission.hook is not Hook.INPUT or admission.family != address.version:
                continue
            if any(address in network for network in admission.sources) and admission.ports:
                first, last = admission.ports
                found.setdefault(str(admission.protocol), set()).update(range(first, last + 1))
        return {word: [list(one) for one in ranges(found[word])] for word in ("tcp", "udp")}

    def _machine(self, directory: Path) -> Machine:
        directory.mkdir()
        return Machine(directory)

    def _plug(self, name: str, addresses: Sequence[str]) -> None:
        cable(self._switch, name, self[name])
        self._switch.run("ip", "link", "set", name, "master", "br0", "up")
        configure(self[name], "eth0", addresses)

    def _received(self, name: str) -> int:
        """Packets that have come to a machine."""
        shown = json.loads(self[name].run("ip", "-s", "-json", "link", "show", "eth0"))
        return int(shown[0]["stats64"]["rx"]["packets"])


def cable(near: Machine, device: str, far: Machine) -> None:
    """Links two machines: ``device`` here, ``eth0`` there."""
    # From outside: a machine does not see the other's processes.
    subprocess.run(
        [
            *("nsenter", "-t", str(near.pid), "-n", "--", "ip", "link", "add", device),
            *("type", "veth", "peer", "name", "eth0", "netns", str(far.pid)),
        ],
        check=True,
    )


def configure(machine: Machine, device: str, addresses: Sequence[str]) -> None:
    """Raises a link and gives it its addresses."""
    lines = [
        f"ip address add {address} dev {device} {'nodad' if ':' in address else ''}"
        for address in addresses
    ]
    machine.shell("\n".join([_TALKATIVE, f"ip link set {device} up", *lines]))
