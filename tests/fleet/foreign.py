"""What answers at a port and is nobody's component: ``python -m tests.fleet.foreign PORT``."""

from __future__ import annotations

import socketserver
import sys


class Rude(socketserver.BaseRequestHandler):
    """Says what no probe expects, to anyone."""

    def handle(self) -> None:
        """At once, without reading."""
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n")


class Server(socketserver.ThreadingTCPServer):
    """On all addresses."""

    allow_reuse_address = True


if __name__ == "__main__":
    Server(("", int(sys.argv[1])), Rude).serve_forever()
