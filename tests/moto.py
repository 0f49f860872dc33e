"""A moto server as a process of its own, and a proxy in front of it that can fail on purpose."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from rules.record import record

HOST = "127.0.0.1"
START_S = 60
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
_ERROR = (
    "<?xml version='1.0' encoding='UTF-8'?><Response><Errors><Error><Code>{code}</Code>"
    "<Message>{message}</Message></Error></Errors><RequestID>0</RequestID></Response>"
)


@contextmanager
def moto_server() -> Iterator[int]:
    """The port of a moto server, which ends with the block."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    program = Path(sys.executable).with_name("moto_server")
    process = subprocess.Popen(
        [str(program), "-H", HOST, "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_S
        while True:
            assert process.poll() is None, "the moto server ended"
            with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
                break
            assert time.monotonic() < deadline, "the moto server does not answer"
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


@record
class Fault:
    """What becomes of a call. ``kind``: ``refuse`` answers ``status`` and ``code`` without asking
    the server, ``babble`` answers what is not XML, ``lose`` asks it and never answers, ``hold``
    never asks it.
    """

    kind: str
    status: int = 500
    code: str = "InternalError"
    message: str = "seeded"


class Proxy:
    """Passes calls on. ``before(number, action)`` may return a Fault; ``after`` hears of each call
    that was carried out. ``calls``: the actions so far.
    """

    def __init__(self, port: int) -> None:
        self.calls: list[str] = []
        self.before: Callable[[int, str], Fault | None] = lambda number, action: None
        self.after: Callable[[int, str], None] = lambda number, action: None
        self._lock = threading.Lock()
        self._over = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                proxy._pass_on(self, port)

            def log_message(self, format: str, *args: Any) -> None:
                """Not to stderr."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}"

    def forget(self) -> None:
        """No faults, no calls."""
        self.calls.clear()
        self.before = lambda number, action: None
        self.after = lambda number, action: None

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def _pass_on(self, handler: BaseHTTPRequestHandler, port: int) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        action = parse_qs(body.decode()).get("Action", ["?"])[0]
        with self._lock:
            self.calls.append(action)
            number = len(self.calls)
            fault = self.before(number, action)
            if fault is not None and fault.kind == "refuse":
                text = _ERROR.format(code=fault.code, message=fault.message).encode()
                _answer(handler, fault.status, "text/xml", text)
                return
            if fault is not None and fault.kind == "babble":
                _answer(handler, 200, "text/html", b"<html><p>log in first" + b" " * 2000)
                return
            if fault is None or fault.kind == "lose":
                status, kind, text = _forward(handler, body, port)
                self.after(number, action)
        if fault is not None:
            self._over.wait(timeout=5)
            handler.close_connection = True
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            _answer(handler, status, kind, text)


def _forward(handler: BaseHTTPRequestHandler, body: bytes, port: int) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        headers = {key: value for key, value in handler.headers.items() if key.lower() != "host"}
        connection.request("POST", handler.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", "text/xml"), answer.read()
    finally:
        connection.close()


def _answer(handler: BaseHTTPRequestHandler, status: int, kind: str, text: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(text)))
    handler.end_headers()
    handler.wfile.write(text)


def writes(calls: list[str]) -> list[str]:
    """The actions that change something."""
    return [action for action in calls if not re.match("Describe|Get", action)]
