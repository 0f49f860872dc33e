"""What one packet costs in our rules, with few and with many source addresses."""

from __future__ import annotations

import statistics
import subprocess
import time
from ipaddress import IPv4Network, ip_address

from rules.backend import backend
from rules.cluster import Role, Sources
from rules.netns import Say, Scratch, configure, forked
from rules.policy import policy
from rules.proof.probe import Bundle
from rules.proof.prove import BACKENDS, render_texts
from rules.proof.sweep import sample_cluster
from rules.proof.way import Kind
from rules.render import Posture

FEW, MANY = 10, 10_000
ROUNDS, SENDS = 15, 40
_NODE, _STRANGER = ip_address("198.51.100.11"), ip_address("198.51.100.77")
# All in the range of NodePorts: the rules look each of their senders up in the list.
_PORTS = tuple(range(30000, 32768))
# What is let through would only wake a socket layer without sockets.
_SINK = "add table inet sink; add chain inet sink in { type filter hook input priority 900; }; "


def per_packet() -> str:
    """A table: microseconds a packet, half from an address in the list, half from none."""
    lines = [
        f"| rules | {FEW} sources, µs a packet | {MANY:,} sources, µs a packet | ratio |",
        "| --- | --- | --- | --- |",
    ]
    for name in ("no rules", *BACKENDS):
        few, many = [], []
        for _ in range(ROUNDS):
            few.append(_one(name, FEW))
            many.append(_one(name, MANY))
        low, high = statistics.median(few), statistics.median(many)
        lines.append(f"| {name} | {low:.2f} | {high:.2f} | {high / low:.2f} |")
    return "\n".join(lines)


def _one(name: str, sources: int) -> float:
    child = forked(lambda say: _measure(name, sources, say))
    try:
        return float(child.hear())
    finally:
        child.end()


def _measure(name: str, sources: int, say: Say) -> None:
    first = int(ip_address("198.18.0.1"))
    clients = tuple(IPv4Network((first + 2 * number, 32)) for number in range(sources))
    cluster = sample_cluster()
    cluster = type(cluster)(**{**vars(cluster), "sources": Sources(node_ports=clients)})
    with Scratch() as scratch:
        configure([f"address add {_NODE}/32 dev eth0", "route add 0.0.0.0/0 dev eth0"])
        if name != "no rules":
            made = policy(Role.WORKER, cluster)
            backend(name).load(render_texts(made, name, Posture.ENFORCE), {})
        rule = "add rule inet sink in ct state new drop"
        subprocess.run(["nft", "-f", "-"], input=_SINK + rule, text=True, check=True)
        bundle = Bundle(4, Kind.UDP, _PORTS)
        opened = scratch.socket("eth0")
        listed = clients[len(clients) // 2].network_address
        best = []
        for source in (listed, _STRANGER):
            bundle.send(opened, source, _NODE)  # addresses are written into the frames once
            times = []
            for _ in range(SENDS):
                began = time.perf_counter()
                bundle.send(opened, source, _NODE)
                times.append(time.perf_counter() - began)
            best.append(statistics.median(times))
        say(statistics.mean(best) / len(_PORTS) * 1e6)
