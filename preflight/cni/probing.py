"""Probes between namespaces: pings and connections, all at once, each from inside its namespace."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from ipaddress import ip_address

from preflight.cni import icmp
from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.netns import inside
from rules.record import record

# When an unanswered ping is sent again, in seconds after the start.
_SENT_AT_S = (0.0, 0.05, 0.2, 0.5, 0.8, 1.5, 2.2)
# TCP sends its first packet again after a second (RFC 6298): a busy machine must not fail a proof.
PATIENCE_S = 2.2
# A new IPv6 address is not used for a second or two (RFC 4862, duplicate address detection).
PATIENCE_V6_S = 3.0
# After three pings: whoever is on this machine has answered the first.
BRIEF_S = 0.3
# <linux/in.h>, <linux/in6.h>: Python names none of them.
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE_MTU, _IPV6_DONTFRAG = 10, 23, 3, 62
_SMALL_BYTES = 84
GREETING = b"nodeprep\n"


@record
class Probe:
    """A question to the network.

    ``namespace`` is where it is asked (empty: here), ``target`` whom. ``port`` 0: a ping of
    ``size`` bytes as an IP packet that nobody may break up; else a TCP connection that must be
    greeted by ``Listener`` unless ``greeted`` is false, when being accepted is enough.
    """

    name: str
    namespace: str
    target: IPAddress
    port: int = 0
    size: int = _SMALL_BYTES
    greeted: bool = True


@record
class Answer:
    """``ok``: it came. ``why`` says what came instead; ``mtu`` what a router said would fit."""

    ok: bool
    why: str
    duration_ms: float
    mtu: int = 0


class Listener:
    """Accepts TCP connections inside a namespace and greets them, as long as it is polled."""

    def __init__(self, namespace: str, family: int, port: int) -> None:
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        with inside(namespace):
            self.socket = socket.socket(kind, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if family == 6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.bind(("0.0.0.0" if family == 4 else "::", port))  # noqa: S104 - in a pod
        self.socket.listen(8)

    def greet(self) -> None:
        """Accepts one and says the greeting."""
        try:
            taken, _ = self.socket.accept()
        except OSError:
            return
        with taken:
            taken.send(GREETING)

    def close(self) -> None:
        """Ends it."""
        self.socket.close()


class _Asked:
    """One probe under way."""

    def __init__(self, probe: Probe, identifier: int) -> None:
        self.probe, self.identifier = probe, identifier
        self.family = probe.target.version
        self.began = time.monotonic()
        self.patience_s = PATIENCE_S if self.family == 4 else PATIENCE_V6_S
        self.answer: Answer | None = None
        self.why = "no answer"
        self.sent = 0
        with inside(probe.namespace):
            self.socket = self._open()
        self.socket.setblocking(False)

    def _open(self) -> socket.socket:
        kind = socket.AF_INET if self.family == 4 else socket.AF_INET6
        if self.probe.port:
            return socket.socket(kind, socket.SOCK_STREAM)
        number = socket.IPPROTO_ICMP if self.family == 4 else socket.IPPROTO_ICMPV6
        made = socket.socket(kind, socket.SOCK_RAW, number)
        if self.family == 4:
            made.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE_MTU)
        else:
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE_MTU)
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, 1)
        return made

    @property
    def events(self) -> int:
        waits = self.probe.port and not self.sent > 1
        return selectors.EVENT_WRITE if waits else selectors.EVENT_READ

    def due_s(self) -> float:
        """Seconds until it must act again."""
        age = time.monotonic() - self.began
        upcoming = [self.patience_s]
        if not self.probe.port and self.sent < len(_SENT_AT_S):
            upcoming.append(_SENT_AT_S[self.sent])
        return max(0.0, min(upcoming) - age)

    def act(self) -> None:
        """Sends what is due, gives up where its time is over."""
        age = time.monotonic() - self.began
        if age >= self.patience_s:
            self.end(False, self.why)
        elif self.probe.port:
            if not self.sent:
                self.sent = 1
                self._connect()
        elif self.sent < len(_SENT_AT_S) and age >= _SENT_AT_S[self.sent]:
            self._ping()

    def _ping(self) -> None:
        self.sent += 1
        packet = icmp.echo(self.family, self.identifier, self.sent, self.probe.size)
        try:
            self.socket.sendto(packet, (str(self.probe.target), 0))
        except OSError as error:
            self.why = os.strerror(error.errno or 0).lower()
            if error.errno == errno.EMSGSIZE:
                self.end(False, f"{self.probe.size} bytes do not fit the sender's own link")

    def _connect(self) -> None:
        code = self.socket.connect_ex((str(self.probe.target), self.probe.port))
        if code not in (0, errno.EINPROGRESS):
            self.end(False, os.strerror(code).lower())

    def hear(self) -> None:
        """Takes what has come."""
        if not self.probe.port:
            self._hear_ping()
        elif self.sent == 1:
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == errno.ECONNREFUSED and not self.probe.greeted:
                code = 0  # whoever refuses is there
            self.sent = 2
            if code:
                self.end(False, os.strerror(code).lower())
            elif not self.probe.greeted:
                self.end(True, "")
        else:
            self._hear_greeting()

    def _hear_greeting(self) -> None:
        try:
            data = self.socket.recv(len(GREETING))
        except OSError as error:
            self.end(False, os.strerror(error.errno or 0).lower())
            return
        self.end(data == GREETING, "" if data == GREETING else "somebody else answers")

    def _hear_ping(self) -> None:
        try:
            data = self.socket.recv(65536)
        except OSError as error:
            self.why = os.strerror(error.errno or 0).lower()
            return
        heard = icmp.parse(self.family, data)
        if heard is None or heard.identifier != self.identifier:
            return
        if not heard.refusal:
            self.end(True, "")
        elif heard.mtu:
            self.end(False, f"{heard.refusal}: {heard.mtu} bytes fit", heard.mtu)
        else:
            self.why = heard.refusal

    def end(self, ok: bool, why: str, mtu: int = 0) -> None:
        took = (time.monotonic() - self.began) * 1000
        self.answer = self.answer or Answer(ok, why, took, mtu)


def ask(
    probes: Iterable[Probe],
    listeners: Iterable[Listener] = (),
    *,
    brief: Callable[[Probe], bool] = lambda probe: False,
) -> dict[str, Answer]:
    """Asks all at once and returns when each is answered or out of time: probe name -> answer.

    ``brief``: those that are waited for as long as any other is, and ``BRIEF_S`` at least.
    """
    answers: dict[str, Answer] = {}
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(listener.socket, selectors.EVENT_READ, listener.greet)
        asked = []
        for number, probe in enumerate(probes):
            try:
                one = _Asked(probe, (os.getpid() + number * 257) & 0xFFFF)
            except (OSError, CommandError) as error:
                answers[probe.name] = Answer(False, str(error), 0.0)
                continue
            stack.callback(one.socket.close)
            asked.append(one)
        _run(asked, selector, brief)
        answers |= {one.probe.name: one.answer for one in asked if one.answer}
    return answers


def _run(
    asked: list[_Asked], selector: selectors.BaseSelector, brief: Callable[[Probe], bool]
) -> None:
    registered: dict[_Asked, int] = {}
    waiting = list(asked)
    while waiting:
        for one in waiting:
            one.act()
        for one in asked:
            _register(one, registered, selector)
        waiting = [one for one in asked if one.answer is None]
        if waiting and all(brief(one.probe) for one in waiting):
            for one in waiting:
                one.patience_s = BRIEF_S
        if not waiting:
            return
        for key, _ in selector.select(min(one.due_s() for one in waiting)):
            act: Callable[[], None] = key.data
            act()
        waiting = [one for one in asked if one.answer is None]


def _register(one: _Asked, registered: dict[_Asked, int], selector: selectors.BaseSelector) -> None:
    """Keeps what the selector waits for in step with the probe."""
    wanted = 0 if one.answer is not None or not one.sent else one.events
    if registered.get(one, 0) == wanted:
        return
    if not wanted:
        selector.unregister(one.socket)
    elif registered.get(one):
        selector.modify(one.socket, wanted, one.hear)
    else:
        selector.register(one.socket, wanted, one.hear)
    registered[one] = wanted


def address_of(text: str) -> IPAddress:
    """``10.244.1.2/24`` -> the address."""
    return ip_address(text.partition("/")[0])
