"""Probes: what one port of one peer answers, small and full-size, within bounded tries."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from preflight.fleet.reach.errqueue import never_fragment, next_error, want_errors
from preflight.fleet.reach.model import Errand, IcmpError, Raw
from preflight.fleet.reach.wire import (
    ANSWER,
    ASK,
    INVENTORY,
    LARGEST_BYTES,
    PROBE,
    SMALLEST_BYTES,
    Message,
    decode,
    encode,
    size_of,
)

# A LAN answers within a millisecond, another continent within 300.
PATIENCE_S = 0.8
TRIES = 3
# Where the way is known to be open: this many round trips, and never less than the second figure;
# TCP sends again after 200 ms at the earliest (TCP_RTO_MIN of the kernel's include/net/tcp.h).
_ROUND_TRIPS = 20
_LEAST_S = {"udp": 0.15, "tcp": 0.6}
# IPv4 and IPv6 header with UDP's.
_UDP_HEADERS = {4: 28, 6: 48}
# No link that carries the family may have less (RFC 791, RFC 8200).
_SMALLEST_MTU = {4: 576, 6: 1280}
_NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
# A few full segments: one alone may be split another way.
_SEGMENTS = 3
# Bytes of what somebody else says, for the report.
_SHOWN = 80
_ETHERNET_MTU = 1500
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


class Prober:
    """One run: a key, a session, and a counter over all its probes."""

    def __init__(self, key: bytes, link_mtu: Callable[[str], int]) -> None:
        self._key, self._link_mtu = key, link_mtu
        self._session = os.urandom(8)
        self._counter: Iterator[int] = itertools.count(1)

    def run(self, errand: Errand) -> Raw:
        """Everything about one errand; never raises for what a network may do."""
        return self._tcp(errand) if errand.protocol == "tcp" else self._udp(errand)

    def ask(self, raw: Raw) -> bytes | None:
        """The inventory of a peer, as JSON, over a port that answered; None where it fails."""
        errand = raw.errand
        if errand.protocol == "udp":
            return self._ask_udp(raw)
        try:
            with self._connect(errand) as opened:
                found = self._exchange_tcp(opened, errand, SMALLEST_BYTES, 0, kind=ASK)
        except (OSError, _Refused):
            return None
        return None if isinstance(found, bytes) else found[0].body

    def _ask_udp(self, raw: Raw) -> bytes | None:
        """As large a question as passes: the answer may not be larger."""
        errand = raw.errand
        size = min(raw.forward, raw.back) - _UDP_HEADERS[errand.address.version]
        with suppress(OSError), _socket(errand, socket.SOCK_DGRAM) as opened:
            opened.connect((str(errand.address), errand.port))
            for _ in range(TRIES):
                got, _error = self._exchange_udp(opened, errand, size, 0, kind=ASK)
                if got is not None:
                    return got[0].body
        return None

    def _message(self, errand: Errand, size: int, wanted: int, kind: int = PROBE) -> Message:
        return Message(
            kind,
            _NUMBERS[errand.protocol],
            errand.port,
            self._session,
            next(self._counter),
            time.time_ns(),
            size,
            wanted,
        )

    def _right(self, data: bytes, sent: Message) -> Message | None:
        answer = decode(self._key, data)
        wanted = INVENTORY if sent.kind == ASK else ANSWER
        if answer is None or answer.kind != wanted:
            return None
        same = (answer.session, answer.sequence) == (sent.session, sent.sequence)
        return answer if same else None

    # UDP

    def _udp(self, errand: Errand) -> Raw:
        raw = Raw(errand)
        try:
            with _socket(errand, socket.SOCK_DGRAM) as opened:
                never_fragment(opened)
                want_errors(opened)
                opened.connect((str(errand.address), errand.port))
                full = self._link_mtu(opened.getsockname()[0])
                raw = self._small(opened, replace(raw, full=full))
                return self._sizes(opened, raw) if raw.answered else raw
        except OSError as error:
            return replace(raw, unreachable=error.strerror or str(error))

    def _small(self, opened: socket.socket, raw: Raw) -> Raw:
        for _ in range(TRIES):
            got, icmp = self._exchange_udp(opened, raw.errand, SMALLEST_BYTES, SMALLEST_BYTES)
            raw = replace(raw, sent=raw.sent + 1, icmp=raw.icmp or icmp)
            if got is not None:
                raw = _timed(replace(raw, answered=raw.answered + 1), *got)
        return raw

    def _sizes(self, opened: socket.socket, raw: Raw) -> Raw:
        """The largest packet that passes each way: a full one, else by halving what is between."""
        headers = _UDP_HEADERS[raw.errand.address.version]
        least = _SMALLEST_MTU[raw.errand.address.version]
        told: list[IcmpError] = []

        def passes(size: int, back: bool) -> bool:
            for _ in range(TRIES if size == raw.full else 2):
                wanted = size - headers if back else SMALLEST_BYTES
                got, icmp = self._exchange_udp(
                    opened, raw.errand, size - headers, wanted, _patience(raw)
                )
                told.extend([icmp] if icmp else [])
                if got is not None:
                    return got[0].size == max(wanted, SMALLEST_BYTES)
            return False

        def largest(limit: int, back: bool) -> int:
            if passes(limit, back):
                return limit
            low, high = least, limit
            while high - low > 4:
                middle = (low + high) // 2
                low, high = (middle, high) if passes(middle, back) else (low, middle)
            return low

        forward = largest(min(raw.full, LARGEST_BYTES), back=False)
        back = largest(forward, back=True)
        return replace(raw, forward=forward, back=back, size_icmp=told[0] if told else None)

    def _exchange_udp(
        self,
        opened: socket.socket,
        errand: Errand,
        size: int,
        wanted: int,
        patience_s: float = PATIENCE_S,
        kind: int = PROBE,
    ) -> tuple[tuple[Message, int, int] | None, IcmpError | None]:
        """The right answer with the times of both, or the ICMP error in its place."""
        message = self._message(errand, size, wanted, kind)
        end = time.monotonic() + patience_s
        began = time.time_ns()
        try:
            opened.send(encode(self._key, message))
        except OSError as error:
            # An error about an earlier probe, or: too big for the link, refused by the filter.
            if icmp := next_error(opened):
                return None, icmp
            if error.errno in _NO_WAY:
                raise
            return None, None
        while (left := end - time.monotonic()) > 0:
            opened.settimeout(left)
            try:
                data = opened.recv(LARGEST_BYTES)
            except TimeoutError:
                break
            except OSError:
                return None, next_error(opened)
            if answer := self._right(data, message):
                return (answer, began, time.time_ns()), None
        return None, next_error(opened)

    # TCP

    def _connect(self, errand: Errand) -> socket.socket:
        opened = _socket(errand, socket.SOCK_STREAM)
        try:
            want_errors(opened)
            opened.settimeout(PATIENCE_S)
            opened.connect((str(errand.address), errand.port))
        except OSError as error:
            icmp = next_error(opened)
            opened.close()
            raise _Refused(error, icmp) from None
        return opened

    def _tcp(self, errand: Errand) -> Raw:
        raw = Raw(errand)
        for _ in range(TRIES):
            raw = replace(raw, sent=raw.sent + 1)
            try:
                with self._connect(errand) as opened:
                    full = self._link_mtu(opened.getsockname()[0])
                    raw = replace(raw, connected=True, full=full)
                    got = self._exchange_tcp(opened, errand, SMALLEST_BYTES, SMALLEST_BYTES)
                    if isinstance(got, bytes):
                        said = got[:_SHOWN].decode("utf-8", "backslashreplace")
                        return replace(raw, spoken=said)
                    raw = _timed(replace(raw, answered=raw.answered + 1), *got)
            except _Refused as refused:
                raw = replace(raw, icmp=raw.icmp or refused.icmp)
                if refused.error.errno == errno.ECONNREFUSED and refused.icmp is None:
                    return replace(raw, reset=True)
                if refused.icmp is None and refused.error.errno in _NO_WAY:
                    return replace(raw, unreachable=refused.error.strerror or "no way")
            except OSError as error:
                # Accepted, and reset before a word.
                return replace(raw, spoken=error.strerror or str(error))
        if not raw.answered:
            return raw
        large = min(LARGEST_BYTES, raw.full * _SEGMENTS)
        forward = raw.full if self._large(raw, large, SMALLEST_BYTES) else SMALLEST_BYTES
        back = raw.full if self._large(raw, SMALLEST_BYTES, large) else SMALLEST_BYTES
        return replace(raw, forward=forward, back=back)

    def _large(self, raw: Raw, size: int, wanted: int) -> bool:
        for _ in range(2):
            with suppress(_Refused, OSError), self._connect(raw.errand) as opened:
                got = self._exchange_tcp(
                    opened, raw.errand, size, wanted, patience_s=_patience(raw)
                )
                if not isinstance(got, bytes):
                    return True
        return False

    def _exchange_tcp(
        self,
        opened: socket.socket,
        errand: Errand,
        size: int,
        wanted: int,
        kind: int = PROBE,
        patience_s: float = PATIENCE_S,
    ) -> tuple[Message, int, int] | bytes:
        """The right answer with its times, or what somebody else says."""
        message = self._message(errand, size, wanted, kind)
        end = time.monotonic() + patience_s
        began = time.time_ns()
        data = b""
        try:
            opened.sendall(encode(self._key, message))
            while (left := end - time.monotonic()) > 0:
                opened.settimeout(left)
                piece = opened.recv(LARGEST_BYTES)
                data += piece
                expected = size_of(data)
                if not piece or expected is None:
                    return data
                if expected and len(data) >= expected:
                    answer = self._right(data, message)
                    return (answer, began, time.time_ns()) if answer else data
        except TimeoutError:
            return data
        return data


class _Refused(Exception):
    """A connection that did not come about."""

    def __init__(self, error: OSError, icmp: IcmpError | None) -> None:
        super().__init__(str(error))
        self.error, self.icmp = error, icmp


def _socket(errand: Errand, kind: int) -> socket.socket:
    family = socket.AF_INET if errand.address.version == 4 else socket.AF_INET6
    return socket.socket(family, kind | socket.SOCK_CLOEXEC)


def _patience(raw: Raw) -> float:
    """How long to wait for an answer, in seconds, where small probes were answered."""
    trips_s = _ROUND_TRIPS * (raw.rtt_ms or 0.0) / 1000
    return min(2 * PATIENCE_S, max(_LEAST_S[raw.errand.protocol], trips_s))


def _timed(raw: Raw, answer: Message, began_ns: int, ended_ns: int) -> Raw:
    """With this answer's round trip, and the peer's clock by the quickest of them."""
    rtt = (ended_ns - began_ns) / 1e6
    if raw.rtt_ms is not None and raw.rtt_ms <= rtt:
        return raw
    ahead = (answer.sent_ns - (began_ns + ended_ns) / 2) / 1e6
    return replace(raw, rtt_ms=round(rtt, 3), clock_ms=round(ahead, 3))


def link_mtu(own: str) -> int:
    """The MTU of the link that has an address of this host; Ethernet's where that is not told."""
    import psutil

    for name, found in psutil.net_if_addrs().items():
        for one in found:
            if one.address.partition("%")[0] == own.partition("%")[0]:
                return int(psutil.net_if_stats()[name].mtu)
    return _ETHERNET_MTU
