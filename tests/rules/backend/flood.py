"""Run in a machine: replaces the rules again and again while packets of a new flow come in.

Arguments: backend, cluster file, another cluster file, count. Prints JSON.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time

from preflight.firewall.policy import PolicyRequest, load_policy
from rules.cluster import Role
from rules.lifecycle.apply import Request, apply
from rules.render import Posture
from rules.state import Store

VXLAN, KUBELET = 8472, 10250
# One direction only and always from another port: to conntrack each packet is a new flow.
_SENDER = """
import socket, sys, time
ports = range(20000, 60000)
sockets = []
count = 0
print("ready", flush=True)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("192.0.2.21", 0))
    for _ in range(5):
        sender.sendto(b"%d" % count, ("192.0.2.11", 8472))
        count += 1
    sender.close()
    time.sleep(0.001)
print(count)
"""
_CLIENT = """
import socket, time
peer = socket.create_connection(("192.0.2.11", 10250), timeout=20)
for _ in range(1 << 30):
    peer.sendall(b"x")
    if peer.recv(1) != b"x":
        break
    time.sleep(0.002)
"""


def main(backend: str, files: tuple[str, str], replacements: int) -> dict[str, object]:
    """Sent, received and echoed; the last two must not stop."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 27)  # SO_RCVBUFFORCE
    receiver.bind(("192.0.2.11", VXLAN))
    receiver.settimeout(0.5)
    listener = socket.create_server(("192.0.2.11", KUBELET))
    echoed, received = [0], [0]
    policies = [
        load_policy(PolicyRequest(role=Role.MULTI_MASTER, config=file))[0] for file in files
    ]
    requests = [Request(policy, Posture.ENFORCE, backend) for policy in policies]
    store = Store("firewall")
    apply(requests[0], store)

    def receive() -> None:
        while True:
            try:
                receiver.recv(64)
            except TimeoutError:
                return
            received[0] += 1

    def echo() -> None:
        peer, _ = listener.accept()
        while data := peer.recv(1):
            peer.sendall(data)
            echoed[0] += 1

    world = ["nsenter", "--net=/run/netns/world", sys.executable, "-c"]
    client = subprocess.Popen([*world, _CLIENT])
    threading.Thread(target=echo, daemon=True).start()
    seconds = max(1.0, replacements * (0.06 if backend == "nftables" else 0.09))
    sender = subprocess.Popen([*world, _SENDER, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert sender.stdout is not None
    sender.stdout.readline()
    done = 0
    while done < replacements or sender.poll() is None:
        apply(requests[(done + 1) % 2], store)
        done += 1
    before = echoed[0]
    time.sleep(0.2)
    alive = client.poll() is None and echoed[0] > before
    receive()  # the kernel has kept them all: reading them meanwhile would only cost time
    sent = int(sender.stdout.read())
    client.kill()
    return {"replacements": done, "sent": sent, "received": received[0], "tcp_alive": alive}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], (sys.argv[2], sys.argv[3]), int(sys.argv[4]))))
