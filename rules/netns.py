"""Scratch network namespaces: a node and the world around it, which end with their process.

Entering a namespace is for good, so everything happens in a forked child (``forked``). It works
as root, and without root where the kernel lets users make user namespaces.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from struct import pack, unpack
from typing import Any, BinaryIO, TypeVar

from rules.errors import CommandError, NodeprepError
from rules.run import run

# <sched.h> and <sys/prctl.h>; Python has them from 3.12 on.
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_PARENT_DEATH_SIGNAL = 1
COMMAND_TIMEOUT_S = 20.0

# The node's links, and the far end of each. All have fixed MAC addresses, so that frames can be
# made before there is anything to send them to.
NODE_MAC, WORLD_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
LINKS = {"eth0": "world0", "pods0": "pod0"}

T = TypeVar("T")


Say = Callable[[object], None]


class Child:
    """A forked process and what it says: any number of picklable objects."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self._pid, self.descriptor = pid, descriptor

    def hear(self) -> Any:
        """The next object; EOFError where the process has ended. What was raised is raised here."""
        size = unpack("=Q", self._exactly(8))[0]
        said, error = pickle.loads(self._exactly(size))  # noqa: S301 - our own child wrote it
        if error is not None:
            raise error
        return said

    def end(self) -> None:
        """Ends the process, whatever it does, and waits for it."""
        os.close(self.descriptor)
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = os.read(self.descriptor, size)
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def forked(work: Callable[[Say], None]) -> Child:
    """Starts ``work`` in a child process, which may make namespaces and enter them.

    What it raises is the last thing that it says. It ends with this process, whatever ends that.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            _libc().prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
            with os.fdopen(writing, "wb") as stream:
                _speak(work, stream)
        finally:
            os._exit(0)
    os.close(writing)
    return Child(pid, reading)


def _speak(work: Callable[[Say], None], stream: BinaryIO) -> None:
    def send(said: object, error: BaseException | None) -> None:
        told = pickle.dumps((said, error))
        stream.write(pack("=Q", len(told)) + told)
        stream.flush()

    try:
        work(lambda said: send(said, None))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - raised by the parent
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        except Exception:  # noqa: BLE001 - whatever its class does, its text is kept
            error = NodeprepError(f"{type(error).__name__}: {error}")
        send(None, error)


class Scratch:
    """A new network namespace for the node, and one for the world beyond its links.

    Makes the calling process enter the first. ``eth0`` leads to everything, ``pods0`` to the
    node's pods. Raises CommandError ``denied`` where the machine lets nobody do that.
    """

    def __init__(self) -> None:
        # iptables-legacy's lock belongs to the machine's own rules, and to root.
        lock = os.memfd_create("nodeprep-xtables-lock")
        os.environ["XTABLES_LOCKFILE"] = f"/proc/{os.getpid()}/fd/{lock}"
        self._lock = lock
        _unshare_net()
        self._world = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _unshare_net()
        self._node = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        # No duplicate address detection, no router solicitations: nothing is sent but probes.
        self._quieten()
        self._inside(self._world, self._quieten)
        world = f"/proc/{os.getpid()}/fd/{self._world}"
        lines = ["link set lo up"]
        for near, far in LINKS.items():
            lines += [
                f"link add {near} address {NODE_MAC.hex(':')} type veth"
                f" peer name {far} address {WORLD_MAC.hex(':')} netns {world}",
                f"link set {near} arp off addrgenmode none",
                f"link set {near} up",
            ]
        configure(lines)
        self._inside(self._world, self._raise_world)
        self._sockets = {near: self._inside(self._world, _open, far) for near, far in LINKS.items()}
        for near in LINKS:
            setting(f"net/ipv4/conf/{near}/rp_filter", 0)
            setting(f"net/ipv4/conf/{near}/send_redirects", 0)

    def socket(self, link: str) -> socket.socket:
        """A packet socket at the far end of one of the node's links."""
        return self._sockets[link]

    def close(self) -> None:
        """Lets go of the world; the node's namespace stays this process' own until it ends."""
        for opened in self._sockets.values():
            opened.close()
        for opened_file in (self._lock, self._world, self._node):
            os.close(opened_file)

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _inside(self, namespace: int, work: Callable[..., T], *arguments: object) -> T:
        _enter(namespace)
        try:
            return work(*arguments)
        finally:
            _enter(self._node)

    @staticmethod
    def _quieten() -> None:
        for name, value in {
            "ipv4/ip_forward": 1,
            "ipv4/conf/all/rp_filter": 0,
            "ipv4/conf/all/send_redirects": 0,
            # No socket waits for a probe: looking for one early only costs time.
            "ipv4/ip_early_demux": 0,
            "ipv6/conf/all/forwarding": 1,
            "ipv6/conf/default/accept_dad": 0,
            "ipv6/conf/default/accept_ra": 0,
        }.items():
            setting(f"net/{name}", value)

    @staticmethod
    def _raise_world() -> None:
        for far in LINKS.values():
            setting(f"net/ipv6/conf/{far}/disable_ipv6", 1)
        configure([f"link set {far} up" for far in LINKS.values()])


@contextmanager
def inside(path: str) -> Iterator[None]:
    """The calling thread is in the network namespace at ``path`` for the block, then back.

    Sockets that are opened there stay in it. An empty path: the thread's own. Raises CommandError.
    """
    if not path:
        yield
        return
    try:
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CommandError("denied", f"/proc/thread-self/ns/net: {error.strerror}") from error
    try:
        _enter_path(path)
        try:
            yield
        finally:
            _enter(own)
    finally:
        os.close(own)


def _enter_path(path: str) -> None:
    try:
        other = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        reason = "absent" if isinstance(error, FileNotFoundError) else "denied"
        raise CommandError(reason, f"{path}: {error.strerror}") from error
    try:
        if _libc().setns(other, _NEW_NET) != 0:
            why = os.strerror(ctypes.get_errno())
            raise CommandError("denied", f"{path}: cannot be entered: {why}")
    finally:
        os.close(other)


def configure(lines: list[str]) -> None:
    """Commands for `ip`, one each line, in this namespace."""
    run(["ip", "-batch", "-"], timeout_s=COMMAND_TIMEOUT_S, stdin="\n".join(lines) + "\n")


def setting(name: str, value: int) -> None:
    """A kernel setting of this namespace; one that the kernel lacks (no IPv6) is passed over.
    Raises CommandError where it cannot be written."""
    try:
        with open(f"/proc/sys/{name}", "w", encoding="ascii") as stream:
            stream.write(str(value))
    except FileNotFoundError:
        return
    except OSError as error:
        raise CommandError("denied", f"/proc/sys/{name}: {error.strerror}") from error


def _open(link: str) -> socket.socket:
    """For sending whole frames only: protocol 0 receives nothing."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    opened.bind((link, 0))
    return opened


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _unshare_net() -> None:
    if _libc().unshare(_NEW_NET) == 0:
        return
    user, group = os.geteuid(), os.getegid()
    if _libc().unshare(_NEW_USER | _NEW_NET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise CommandError(
            "denied", f"no network namespace can be made here ({reason}); run it as root"
        )
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as stream:
            stream.write(text)


def _enter(namespace: int) -> None:
    if _libc().setns(namespace, _NEW_NET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise CommandError("denied", f"a scratch namespace cannot be entered: {reason}")
