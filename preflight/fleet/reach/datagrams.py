"""Probes that are one packet each: what comes back, and how large it may be each way."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from preflight.fleet.reach.errqueue import next_error
from preflight.fleet.reach.model import Errand, IcmpError, Raw
from preflight.fleet.reach.talk import (
    NO_WAY,
    PATIENCE_S,
    TRIES,
    Talk,
    Timed,
    more,
    patience_of,
    timed,
)
from preflight.fleet.reach.ways import Way, way
from preflight.fleet.reach.wire import ASK, LARGEST_BYTES, PROBE, SMALLEST_BYTES

# No link that carries the family may have less (RFC 791, RFC 8200).
_SMALLEST_MTU = {4: 576, 6: 1280}


def probe(talk: Talk, errand: Errand) -> Raw:
    """Everything about one errand over UDP or a protocol without ports."""
    raw = Raw(errand)
    try:
        with way(errand) as opened:
            raw = replace(raw, full=talk.link_mtu(opened.connect(errand)))
            raw = _small(talk, opened, raw)
            # An echo comes back in fragments (the kernel's icmp_sk_init): its size proves little.
            return _sizes(talk, opened, raw) if raw.answered and not opened.echo else raw
    except PermissionError as error:
        # Only raw sockets are refused as a whole; a packet filter's refusal is met in sending.
        return replace(raw, refused=error.strerror or str(error))
    except OSError as error:
        return replace(raw, unreachable=error.strerror or str(error))


def ask(talk: Talk, raw: Raw) -> bytes | None:
    """As large a question as passes: the answer may not be larger. None where it fails."""
    errand = raw.errand
    with suppress(OSError), way(errand) as opened:
        opened.connect(errand)
        size = min(raw.forward, raw.back) - opened.headers
        for _ in range(TRIES):
            got, _error = _exchange(talk, opened, errand, size, 0, kind=ASK)
            if got is not None:
                return got[0].body
    return None


def _small(talk: Talk, opened: Way, raw: Raw) -> Raw:
    while more(raw):
        got, icmp = _exchange(talk, opened, raw.errand, SMALLEST_BYTES, SMALLEST_BYTES)
        raw = replace(raw, sent=raw.sent + 1, icmp=raw.icmp or icmp)
        if got is not None:
            raw = timed(replace(raw, answered=raw.answered + 1), *got)
    return raw


def _sizes(talk: Talk, opened: Way, raw: Raw) -> Raw:
    """The largest packet that passes each way: a full one, else by halving what is between."""
    headers = opened.headers
    least = _SMALLEST_MTU[raw.errand.address.version]
    told: list[IcmpError] = []

    def passes(size: int, back: bool) -> bool:
        wanted = size - headers if back else SMALLEST_BYTES
        tries = TRIES if size == raw.full else 2
        for left in reversed(range(tries)):
            # That a full packet does not pass is said of no host that is only slow for a moment.
            last = size == raw.full and not left
            patience_s = 2 * PATIENCE_S if last else patience_of(raw)
            got, icmp = _exchange(talk, opened, raw.errand, size - headers, wanted, patience_s)
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


def _exchange(
    talk: Talk,
    opened: Way,
    errand: Errand,
    size: int,
    wanted: int,
    patience_s: float = PATIENCE_S,
    kind: int = PROBE,
) -> tuple[Timed | None, IcmpError | None]:
    """The right answer with the times of both, or the ICMP error in its place."""
    message = talk.message(errand, size, wanted, kind)
    end = time.monotonic() + patience_s
    began = time.time_ns()
    try:
        opened.send(talk.encode(message))
    except OSError as error:
        # An error about an earlier probe, or: too big for the link, refused by the filter.
        if icmp := next_error(opened.opened):
            return None, icmp
        if error.errno in NO_WAY:
            raise
        return None, None
    icmp = None
    while (left := end - time.monotonic()) > 0:
        opened.opened.settimeout(left)
        try:
            data = opened.receive()
        except TimeoutError:
            break
        except OSError:
            icmp = icmp or next_error(opened.opened)
            if opened.patient:
                continue
            return None, icmp
        if answer := talk.right(data, message, echo=opened.echo):
            return (answer, began, time.time_ns()), None
    return None, icmp or next_error(opened.opened)
