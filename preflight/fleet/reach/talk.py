"""What all probes of one run have in common: a key, a session, a counter, and their patience."""

from __future__ import annotations

import errno
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from preflight.fleet.reach.frames import ECHO
from preflight.fleet.reach.model import Errand, Raw
from preflight.fleet.reach.wire import ANSWER, ASK, INVENTORY, PROBE, Message, decode, encode, place
from rules.flows import Protocol

# A LAN answers within a millisecond, another continent within 300.
PATIENCE_S = 0.8
# Small probes of one errand; where one of them is lost, the second figure tells loss from chance.
TRIES, MOST_TRIES = 3, 10
# Where the way is known to be open: this many round trips, and never less than the second figure;
# TCP sends again after 200 ms at the earliest (TCP_RTO_MIN of the kernel's include/net/tcp.h).
_ROUND_TRIPS = 20
_LEAST_S, _LEAST_TCP_S = 0.15, 0.6
# What the kernel says where it has no route, or nobody answers for the address on the link.
NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)
# An answer with the times before its probe and after it, in ns since 1970.
Timed = tuple[Message, int, int]


class Talk:
    """``link_mtu``: the MTU, in bytes, of the link that has an address of this host."""

    def __init__(self, key: bytes, link_mtu: Callable[[str], int]) -> None:
        self._key, self.link_mtu = key, link_mtu
        self._session = os.urandom(8)
        self._counter: Iterator[int] = itertools.count(1)

    def message(self, errand: Errand, size: int, wanted: int, kind: int = PROBE) -> Message:
        """The next one."""
        return Message(
            kind,
            Protocol(errand.protocol).number,
            errand.port,
            self._session,
            next(self._counter),
            time.time_ns(),
            size,
            wanted,
            place(errand.address),
        )

    def encode(self, message: Message) -> bytes:
        """Its bytes."""
        return encode(self._key, message)

    def right(self, data: bytes, sent: Message, *, echo: bool = False) -> Message | None:
        """The answer to ``sent``, or itself where it was to be echoed; None for all else."""
        answer = decode(self._key, data)
        wanted = PROBE if echo else INVENTORY if sent.kind == ASK else ANSWER
        if answer is None or answer.kind != wanted:
            return None
        same = (answer.session, answer.sequence) == (sent.session, sent.sequence)
        return answer if same else None


def more(raw: Raw) -> bool:
    """Whether another small probe is to be sent: a few, and more where only some were answered."""
    return raw.sent < (MOST_TRIES if 0 < raw.answered < raw.sent else TRIES)


def patience_of(raw: Raw) -> float:
    """How long to wait for an answer, in seconds, where small probes were answered."""
    least = _LEAST_TCP_S if raw.errand.protocol == "tcp" else _LEAST_S
    trips_s = _ROUND_TRIPS * (raw.rtt_ms or 0.0) / 1000
    return min(2 * PATIENCE_S, max(least, trips_s))


def timed(raw: Raw, answer: Message, began_ns: int, ended_ns: int) -> Raw:
    """With this answer's round trip, and the peer's clock by the quickest of them."""
    rtt = (ended_ns - began_ns) / 1e6
    if raw.rtt_ms is not None and raw.rtt_ms <= rtt:
        return raw
    ahead = (answer.sent_ns - (began_ns + ended_ns) / 2) / 1e6
    # An echo has this host's own time in it.
    clock = None if raw.errand.protocol in ECHO else round(ahead, 3)
    return replace(raw, rtt_ms=round(rtt, 3), clock_ms=clock)
