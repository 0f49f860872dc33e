"""gRPC calls without streams over a unix socket: HTTP/2 by h2, which is only imported here.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import socket
import struct
import time
from typing import Any
from urllib.parse import unquote

UNIMPLEMENTED = 12
MESSAGE_LIMIT_BYTES = 8 * 1024 * 1024


class GrpcError(Exception):
    """The server answered with a status other than OK (``code`` as gRPC numbers them)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotGrpc(Exception):
    """What listens does not speak gRPC, or hangs up."""


class Channel:
    """One connection. Every call shares the deadline ``timeout_s`` after the channel was opened.

    The constructor raises OSError (``TimeoutError``, ``ConnectionRefusedError``, ...); so may a
    call, which also raises GrpcError and NotGrpc. Not safe for several threads.
    """

    def __init__(self, path: str, *, timeout_s: float) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        self._deadline = time.monotonic() + timeout_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(path)
        except BlockingIOError:
            # A unix socket whose queue of connections is full: nobody accepts them.
            self._socket.close()
            raise TimeoutError("nobody accepts the connection") from None
        except BaseException:
            self._socket.close()
            raise
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._http.initiate_connection()

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, method: str, request: bytes = b"") -> bytes:
        """Sends one message to ``/package.Service/Method`` and returns the answer's bytes."""
        from h2.exceptions import H2Error

        try:
            return self._call(method, request)
        except H2Error as error:
            raise NotGrpc(f"it does not speak HTTP/2: {error}") from error

    def _call(self, method: str, request: bytes) -> bytes:
        stream = self._http.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        self._http.send_headers(stream, headers)
        self._http.send_data(stream, struct.pack(">BI", 0, len(request)) + request, end_stream=True)
        self._flush()
        fields: dict[str, str] = {}
        body = bytearray()
        while not self._read(stream, fields, body):
            pass
        return _message(fields, bytes(body))

    def _flush(self) -> None:
        self._socket.settimeout(self._remaining())
        self._socket.sendall(self._http.data_to_send())

    def _remaining(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left

    def _read(self, stream: int, fields: dict[str, str], body: bytearray) -> bool:
        """Takes what has come; True where the stream has ended."""
        self._socket.settimeout(self._remaining())
        data = self._socket.recv(65536)
        if not data:
            raise NotGrpc("it hangs up without an answer")
        ended = False
        for event in self._http.receive_data(data):
            ended |= self._take(event, stream, fields, body)
        self._flush()
        return ended

    def _take(self, event: Any, stream: int, fields: dict[str, str], body: bytearray) -> bool:
        from h2 import events

        if isinstance(event, events.ConnectionTerminated):
            raise NotGrpc("it ends the connection")
        if getattr(event, "stream_id", None) != stream:
            return False
        if isinstance(event, events.StreamReset):
            raise NotGrpc("it refuses the call")
        if isinstance(event, (events.ResponseReceived, events.TrailersReceived)):
            fields.update({str(name): str(value) for name, value in event.headers or ()})
        elif isinstance(event, events.DataReceived):
            body += event.data or b""
            if len(body) > MESSAGE_LIMIT_BYTES:
                raise NotGrpc(f"its answer is over {MESSAGE_LIMIT_BYTES // 1024 // 1024} MiB")
            self._http.acknowledge_received_data(event.flow_controlled_length or 0, stream)
        return isinstance(event, events.StreamEnded)


def _message(fields: dict[str, str], body: bytes) -> bytes:
    status = fields.get("grpc-status", "")
    if not status.isdecimal():
        raise NotGrpc(f"it answers HTTP status {fields.get(':status', '?')} and no gRPC status")
    if int(status):
        raise GrpcError(int(status), unquote(fields.get("grpc-message", "")) or f"code {status}")
    if len(body) < 5 or body[0] or int.from_bytes(body[1:5], "big") != len(body) - 5:
        raise NotGrpc("its answer is not one plain message")
    return body[5:]
