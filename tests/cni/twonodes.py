"""Run on the test node: what a pod's packets look like when they arrive, ``SOURCE-NETNS LISTENER-
NETNS ADDRESS``: prints the sender's address as the listener sees it."""

from __future__ import annotations

import socket
import sys

from rules.netns import inside


def seen(source: str, listener: str, address: str) -> str:
    with inside(listener):
        server = socket.create_server((address, 18081))
    with inside(source):
        client = socket.socket()
    client.settimeout(3)
    client.connect((address, 18081))
    taken, (peer, _) = server.accept()
    for opened in (taken, client, server):
        opened.close()
    return str(peer)


if __name__ == "__main__":
    print(seen(*sys.argv[1:]))
