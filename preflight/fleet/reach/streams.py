"""Probes over TCP: does a connection come about, who is there, and do full packets pass."""

from __future__ import annotations

import errno
import socket
import time
from contextlib import suppress
from dataclasses import replace

from preflight.fleet.reach.errqueue import next_error, want_errors
from preflight.fleet.reach.model import Errand, IcmpError, Raw
from preflight.fleet.reach.talk import NO_WAY, PATIENCE_S, Talk, Timed, more, patience_of, timed
from preflight.fleet.reach.ways import socket_of
from preflight.fleet.reach.wire import ASK, LARGEST_BYTES, PROBE, SMALLEST_BYTES, size_of

# A few full segments: one alone may be split another way.
_SEGMENTS = 3
# Bytes of what somebody else says, for the report.
_SHOWN = 80


def ask(talk: Talk, raw: Raw) -> bytes | None:
    """The inventory of a peer, as JSON; None where it fails."""
    try:
        with _connect(raw.errand) as opened:
            found = _exchange(talk, opened, raw.errand, SMALLEST_BYTES, 0, kind=ASK)
    except (OSError, _Refused):
        return None
    return None if isinstance(found, bytes) else found[0].body


def _connect(errand: Errand) -> socket.socket:
    opened = socket_of(errand, socket.SOCK_STREAM)
    try:
        want_errors(opened)
        opened.settimeout(PATIENCE_S)
        opened.connect((str(errand.address), errand.port))
    except OSError as error:
        icmp = next_error(opened)
        opened.close()
        raise _Refused(error, icmp) from None
    return opened


def probe(talk: Talk, errand: Errand) -> Raw:
    """Everything about one errand over TCP."""
    raw = Raw(errand)
    while more(raw):
        raw = replace(raw, sent=raw.sent + 1)
        try:
            with _connect(errand) as opened:
                full = talk.link_mtu(opened.getsockname()[0])
                raw = replace(raw, connected=True, full=full)
                # Who accepted and says nothing at first may only be slow.
                patience_s = PATIENCE_S if raw.sent == 1 else 2 * PATIENCE_S
                got = _exchange(
                    talk, opened, errand, SMALLEST_BYTES, SMALLEST_BYTES, patience_s=patience_s
                )
                if got == b"":
                    continue
                if isinstance(got, bytes):
                    said = got[:_SHOWN].decode("utf-8", "backslashreplace")
                    return replace(raw, spoken=said)
                raw = timed(replace(raw, answered=raw.answered + 1), *got)
        except _Refused as refused:
            raw = replace(raw, icmp=raw.icmp or refused.icmp)
            if refused.error.errno == errno.ECONNREFUSED and refused.icmp is None:
                return replace(raw, reset=True)
            if refused.icmp is None and refused.error.errno in NO_WAY:
                return replace(raw, unreachable=refused.error.strerror or "no way")
        except OSError as error:
            # Accepted, and reset before a word.
            return replace(raw, spoken=error.strerror or str(error))
    if not raw.answered:
        return raw
    large = min(LARGEST_BYTES, raw.full * _SEGMENTS)
    forward = raw.full if _large(talk, raw, large, SMALLEST_BYTES) else SMALLEST_BYTES
    back = raw.full if _large(talk, raw, SMALLEST_BYTES, large) else SMALLEST_BYTES
    return replace(raw, forward=forward, back=back)


def _large(talk: Talk, raw: Raw, size: int, wanted: int) -> bool:
    # The last tries are long ones, for a host that is only slow for a moment.
    for patience_s in (patience_of(raw), 2 * PATIENCE_S, 2 * PATIENCE_S):
        with suppress(_Refused, OSError), _connect(raw.errand) as opened:
            got = _exchange(talk, opened, raw.errand, size, wanted, patience_s=patience_s)
            if not isinstance(got, bytes):
                return True
    return False


def _exchange(
    talk: Talk,
    opened: socket.socket,
    errand: Errand,
    size: int,
    wanted: int,
    kind: int = PROBE,
    patience_s: float = PATIENCE_S,
) -> Timed | bytes:
    """The right answer with its times, or what somebody else says."""
    message = talk.message(errand, size, wanted, kind)
    end = time.monotonic() + patience_s
    began = time.time_ns()
    data = b""
    try:
        opened.sendall(talk.encode(message))
        while (left := end - time.monotonic()) > 0:
            opened.settimeout(left)
            piece = opened.recv(LARGEST_BYTES)
            data += piece
            expected = size_of(data)
            if not piece or expected is None:
                return data
            if expected and len(data) >= expected:
                answer = talk.right(data, message)
                return (answer, began, time.time_ns()) if answer else data
    except TimeoutError:
        return data
    return data


class _Refused(Exception):
    """A connection that did not come about."""

    def __init__(self, error: OSError, icmp: IcmpError | None) -> None:
        super().__init__(str(error))
        self.error, self.icmp = error, icmp
