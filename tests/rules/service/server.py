"""Run in a machine: answers every connection with a word and the address that asked.

Arguments: word, port. Prints a line when it listens.
"""

from __future__ import annotations

import socket
import sys


def main(word: str, port: int) -> None:
    """Until it is ended."""
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("ready", flush=True)
        while True:
            peer, (address, *_) = server.accept()
            with peer:
                peer.sendall(f"{word} {address.removeprefix('::ffff:')}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
