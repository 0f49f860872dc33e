"""Whether a port can be bound: tried for an instant, on every address, without listening."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable

from preflight.facts.model.ports import BindProbe

# Another program that looks at the same moment, another nodeprep say, is gone after this.
_PATIENCE_S = 0.005


def probe(ports: Iterable[tuple[str, int]]) -> tuple[BindProbe, ...]:
    """Binds each (protocol, port) on the wildcard address of both families and lets go at once."""
    return tuple(
        BindProbe(protocol, family, port, _bind(protocol, family, port))
        for protocol, port in ports
        for family in (4, 6)
    )


def _bind(protocol: str, family: int, port: int) -> str:
    """The name of the error, empty where it worked."""
    error = _bind_once(protocol, family, port)
    if error == "EADDRINUSE":
        time.sleep(_PATIENCE_S)
        error = _bind_once(protocol, family, port)
    return error


def _bind_once(protocol: str, family: int, port: int) -> str:
    import socket

    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    try:
        made = socket.socket(
            socket.AF_INET if family == 4 else socket.AF_INET6, kind | socket.SOCK_CLOEXEC
        )
    except OSError as error:
        return _name(error)
    with made:
        try:
            if protocol == "tcp":
                # As Go's net.Listen does: a closed connection in TIME_WAIT is not in the way.
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == 6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind(("0.0.0.0" if family == 4 else "::", port))  # noqa: S104  (never listens)
        except OSError as error:
            return _name(error)
    return ""


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))
