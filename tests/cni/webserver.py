"""An https server whose answers go wrong: `python -m tests.cni.webserver ARCHIVE CERTIFICATE`.

It prints its port. The paths are the methods' names below.
"""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """``/whole`` gives the archive."""

    data = b""

    def do_GET(self) -> None:
        answer = getattr(self, f"answer_{self.path.strip('/')}", None)
        if answer is None:
            self.send_error(404)
        else:
            answer()

    def answer_whole(self) -> None:
        self._head(len(self.data))
        self.wfile.write(self.data)

    def answer_unannounced(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.data)

    def answer_truncated(self) -> None:
        self._head(len(self.data))
        self.wfile.write(self.data[:1000])

    def answer_large(self) -> None:
        self._head(10**12)

    def answer_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(4096):
            self.wfile.write(bytes(1 << 20))

    def answer_moved(self) -> None:
        self._to("/whole")

    def answer_plain(self) -> None:
        self._to(f"http://{self.headers['Host']}/whole")

    def answer_local(self) -> None:
        self._to("file:///etc/passwd")

    def answer_circle(self) -> None:
        self._to("/circle")

    def answer_silent(self) -> None:
        time.sleep(3)

    def answer_drip(self) -> None:
        self._head(1000)
        for _ in range(30):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def answer_page(self) -> None:
        self._head(17)
        self.wfile.write(b"<html>no</html>\n\n")

    def _head(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _to(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.end_headers()

    def log_message(self, format: str, *words: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):  # the client has heard enough
            super().handle()


@contextmanager
def serve(data: bytes, directory: Path) -> Iterator[tuple[str, Path]]:
    """(URL, its certificate) of a server of its own process, for as long as the block lasts."""
    certificate = directory / "server.pem"
    make_certificate(certificate)
    (directory / "served").write_bytes(data)
    argv = [
        sys.executable,
        "-m",
        "tests.cni.webserver",
        str(directory / "served"),
        str(certificate),
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), certificate
        finally:
            process.kill()


def make_certificate(path: Path) -> None:
    """Key and certificate for 127.0.0.1 in one file."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subprocess.run(
        [*command.split(), "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", f"{path}.key", "-out", f"{path}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(Path(f"{path}.key").read_text() + Path(f"{path}.crt").read_text())


def main(archive: str, certificate: str) -> None:
    """Serves until it is killed."""
    Handler.data = Path(archive).read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    print(f"https://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
