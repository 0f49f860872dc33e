"""Run in a network namespace of its own: a listener under fire on loopback. Prints what it saw."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path

from preflight.fleet.reach import wire
from preflight.fleet.reach.model import Errand, Peer
from preflight.fleet.reach.prober import Prober
from rules.cluster import Role

KEY = bytes.fromhex("5a" * 32)
_COUNT = itertools.count(2000)
WRONG_PACKETS = 100_000
SECONDS = 110
UDP, TCP = 8472, 10250
# By which others know this node.
BEHIND_NAT = "198.51.100.7"


def start(place: Path, seconds: int = SECONDS) -> subprocess.Popen[str]:
    (place / "key").write_text(KEY.hex() + "\n")
    (place / "key").chmod(0o600)
    node = {"name": "x", "role": "worker", "addresses": [BEHIND_NAT]}
    (place / "cluster.yaml").write_text(json.dumps({"nodeName": "x", "nodes": [node]}))
    process = subprocess.Popen(
        [sys.executable, "-m", "preflight", "listen", "--role", "worker", "--cni", "flannel/vxlan",
         "--key", str(place / "key"), "--seconds", str(seconds), "-o", "json",
         "--kubernetes-version", "1.37", "--config", str(place / "cluster.yaml")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "listening on" in line, line
    return process


def probe(prober: Prober, protocol: str, port: int, *, tries: int = 5) -> bool:
    peer = Peer("x", Role.WORKER, (ip_address("127.0.0.1"),))
    errand = Errand(peer, peer.addresses[0], protocol, port, (), "")
    return any(prober.run(errand).answered for _ in range(tries))


def peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


def right(
    sequence: int, port: int, protocol: int, key: bytes = KEY, to: str = "127.0.0.1"
) -> bytes:
    message = wire.Message(
        wire.PROBE, protocol, port, b"attacker", sequence, 0, wire.SMALLEST_BYTES, 60_000,
        wire.place(ip_address(to)),
    )  # fmt: skip
    return wire.encode(key, message)


def wrong_datagrams(count: int) -> int:
    """Noise, right shapes with a wrong key, right probes for another port; bytes that came back."""
    noise = os.urandom(1400)
    packets = [
        noise,
        b"",
        b"NPR1",
        wire.MAGIC + noise[:200],
        noise * 40,
        right(1, UDP, 17, b"0" * 32),
        right(1, 53, 17),
        right(1, UDP, 6),
        right(1, UDP, 17)[:-1] + b"x",
        right(1, UDP, 17) + b"x",
        # Right, and caught on its way to another node.
        right(1, UDP, 17, to="192.0.2.9"),
    ]
    heard = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect(("127.0.0.1", UDP))
        for number in range(count):
            packet = packets[number % len(packets)]
            # A full queue would drop the rest unseen, and large ones fill it.
            opened.send(packet if number % 100 == 4 else packet[:1400])
            if number % 50 == 0:
                time.sleep(0.002)
        opened.settimeout(0.5)
        try:
            while True:
                heard += len(opened.recv(65_536))
        except TimeoutError:
            return heard


def connect() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.settimeout(2)
    opened.connect(("127.0.0.1", TCP))
    return opened


def silent_connections(count: int) -> list[socket.socket]:
    """Connections that say nothing, or the beginning of something."""
    found = []
    for number in range(count):
        opened = connect()
        if number % 2:
            opened.send(right(9, TCP, 6)[: 20 + number % 100])
        found.append(opened)
    return found


def wrong_streams() -> int:
    """Garbage, a length that is too long, a wrong key; bytes that came back."""
    heard = 0
    header = bytearray(right(1, TCP, 6))
    header[28:32] = (2**31).to_bytes(4, "big")
    for data in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(70_000), bytes(header),
                 right(1, TCP, 6, b"1" * 32), right(1, 6443, 6),
                 right(1, TCP, 6, to="192.0.2.9")) * 20:  # fmt: skip
        with connect() as opened:
            try:
                opened.sendall(data)
                heard += len(opened.recv(65_536))
            except OSError:
                continue
    return heard


def replays() -> tuple[int, int, int]:
    """Answers to one right probe, to its 50 repetitions, and the length of the answer."""
    data = right(1000, UDP, 17)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect(("127.0.0.1", UDP))
        opened.settimeout(2)
        opened.send(data)
        first = len(opened.recv(65_536))
        for _ in range(50):
            opened.send(data)
        opened.settimeout(0.5)
        again = 0
        try:
            while opened.recv(65_536):
                again += 1
        except TimeoutError:
            pass
    return 1, again, first


def addressed(to: str, sent_to: str) -> int:
    """Answers to a probe for one address that comes to another, over UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect((sent_to, UDP))
        opened.settimeout(0.5)
        opened.send(right(next(_COUNT), UDP, 17, to=to))
        try:
            return int(bool(opened.recv(65_536)))
        except TimeoutError:
            return 0


def main() -> None:
    place = Path(sys.argv[1])
    process = start(place)
    began = time.monotonic()
    prober = Prober(KEY, lambda _: 1500)
    before = probe(prober, "udp", UDP) and probe(prober, "tcp", TCP)
    memory_before = peak_mib(process.pid)
    heard = wrong_datagrams(WRONG_PACKETS)
    half_open = silent_connections(600)
    under_fire = probe(prober, "tcp", TCP) and probe(prober, "udp", UDP)
    heard += wrong_streams()
    once, again, length = replays()
    # Both addresses are this host's, and the probe is for one of them.
    caught = addressed("127.0.0.1", "127.0.0.2")
    behind_nat = addressed(BEHIND_NAT, "127.0.0.1")
    for opened in half_open:
        opened.close()
    after = probe(prober, "tcp", TCP) and probe(prober, "udp", UDP)
    peak = peak_mib(process.pid)
    process.send_signal(signal.SIGTERM)
    stdout, _ = process.communicate(timeout=10)
    stopping = start(place, 2)
    stopped = time.monotonic()
    stopping.communicate(timeout=10)
    print(
        json.dumps(
            {
                "before": before,
                "under_fire": under_fire,
                "after": after,
                "heard_bytes": heard,
                "answers_to_one": once,
                "answers_to_replays": again,
                "answer_bytes": length,
                "probe_bytes": wire.SMALLEST_BYTES,
                "answers_to_another_nodes": caught,
                "answers_behind_nat": behind_nat,
                "peak_mib_before": memory_before,
                "peak_mib": peak,
                "stopped_after_s": time.monotonic() - stopped,
                "took_s": stopped - began,
                "code": process.returncode,
                "report": json.loads(stdout),
            }
        )
    )


if __name__ == "__main__":
    main()
