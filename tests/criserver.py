"""A CRI server for tests: answers Version, Status, RuntimeConfig and ListPodSandbox over HTTP/2.

As a program it serves until it is ended: ``python -m tests.criserver SOCKET [api] [driver]``.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

from preflight.facts.protobuf import put_bool, put_bytes


class Runtime(NamedTuple):
    """What the server says of itself. An empty ``api`` or ``driver``: it knows no such call."""

    api: str = "v1"
    driver: str = "systemd"
    name: str = "containerd"
    version: str = "v2.3.1"
    ready: bool = True
    sandboxes: tuple[str, ...] = ()
    config: dict[str, Any] | None = None
    padding: int = 0


def answer(runtime: Runtime, path: str) -> bytes | None:
    """The response to a call; None: unimplemented."""
    service, _, method = path.rpartition("/")
    if service != f"/runtime.{runtime.api}.RuntimeService":
        return None
    if method == "Version":
        fields = ("0.1.0", runtime.name, runtime.version, runtime.api)
        return b"".join(put_bytes(n, text.encode()) for n, text in enumerate(fields, 1))
    if method == "Status":
        conditions = [
            _condition("RuntimeReady", runtime.ready, "" if runtime.ready else "shim missing"),
            _condition("NetworkReady", False, "cni plugin not initialized"),
        ]
        config = json.dumps({**(runtime.config or {}), "padding": "x" * runtime.padding})
        info = put_bytes(1, b"config") + put_bytes(2, config.encode())
        return put_bytes(1, b"".join(put_bytes(1, each) for each in conditions)) + put_bytes(
            2, info
        )
    if method == "RuntimeConfig" and runtime.driver:
        enum = b"\x08\x01" if runtime.driver == "cgroupfs" else b""
        return put_bytes(1, enum)
    if method == "ListPodSandbox":
        return b"".join(put_bytes(1, put_bytes(1, each.encode())) for each in runtime.sandboxes)
    return None


def _condition(kind: str, holds: bool, message: str) -> bytes:
    # proto3 leaves a false boolean out.
    status = put_bool(2, True) if holds else b""
    return put_bytes(1, kind.encode()) + status + put_bytes(4, message.encode())


def serve_connection(connection: socket.socket, runtime: Runtime) -> None:
    http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    http.initiate_connection()
    paths: dict[int, str] = {}
    waiting: dict[int, bytes] = {}
    with connection:
        while True:
            try:
                connection.sendall(http.data_to_send())
                data = connection.recv(65536)
            except OSError:
                return
            if not data:
                return
            for event in http.receive_data(data):
                if isinstance(event, RequestReceived):
                    headers = {str(k): str(v) for k, v in event.headers or ()}
                    paths[event.stream_id or 0] = headers[":path"]
                elif isinstance(event, StreamEnded):
                    stream = event.stream_id or 0
                    _begin(http, stream, answer(runtime, paths[stream]), waiting)
            for stream in list(waiting):
                _go_on(http, stream, waiting)


def _begin(http: H2Connection, stream: int, body: bytes | None, waiting: dict[int, bytes]) -> None:
    start = [(":status", "200"), ("content-type", "application/grpc")]
    if body is None:
        message = "unknown service runtime.v1.RuntimeService: 100%25"
        http.send_headers(
            stream, [*start, ("grpc-status", "12"), ("grpc-message", message)], end_stream=True
        )
        return
    http.send_headers(stream, start)
    waiting[stream] = struct.pack(">BI", 0, len(body)) + body


def _go_on(http: H2Connection, stream: int, waiting: dict[int, bytes]) -> None:
    """Sends as much as the client's window allows."""
    while waiting[stream]:
        size = min(http.local_flow_control_window(stream), http.max_outbound_frame_size)
        if not size:
            return
        part, waiting[stream] = waiting[stream][:size], waiting[stream][size:]
        http.send_data(stream, part)
    del waiting[stream]
    http.send_headers(stream, [("grpc-status", "0")], end_stream=True)


def listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(4)
    return listener


@contextmanager
def serving(path: str, runtime: Runtime) -> Iterator[None]:
    """Serves in a thread within the block."""
    listener = listen(path)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            serve_connection(connection, runtime)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


if __name__ == "__main__":
    os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
    served = Runtime(
        api=sys.argv[2] if len(sys.argv) > 2 else "v1",
        driver=sys.argv[3] if len(sys.argv) > 3 else "systemd",
        config={"cni": {"binDir": "/opt/cni/bin", "confDir": "/etc/cni/net.d"}},
    )
    server = listen(sys.argv[1])
    # A shell that starts it goes on when the socket is there.
    if os.fork():
        os._exit(0)
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    while True:
        accepted, _ = server.accept()
        serve_connection(accepted, served)
