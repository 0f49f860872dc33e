"""The machine that facts are read from: files, programs, units. Every answer may be Unknown."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from preflight.facts.model import Known, Unknown
from rules.errors import CommandError
from rules.record import record
from rules.run import Output, Running

T = TypeVar("T")

# The units that any collector asks about: one systemctl call (about 6 ms) answers for all.
UNITS = (
    "kubelet.service",
    "containerd.service",
    "crio.service",
    "docker.service",
    "cri-docker.service",
    "firewalld.service",
    "ufw.service",
    "nftables.service",
    "netfilter-persistent.service",
    "iptables.service",
    "ip6tables.service",
    "nodeprep-firewall.service",
    "nodeprep-pods.service",
    "chrony.service",
    "chronyd.service",
    "systemd-timesyncd.service",
    "ntp.service",
    "ntpd.service",
    "ntpsec.service",
    "systemd-resolved.service",
    "systemd-networkd.service",
    "NetworkManager.service",
    "k3s.service",
    "k3s-agent.service",
    "rke2-server.service",
    "rke2-agent.service",
    "k0scontroller.service",
    "k0sworker.service",
    "snap.microk8s.daemon-kubelite.service",
    "etcd.service",
    "swap.target",
)
COMMAND_TIMEOUT_S = 3.0
READ_LIMIT_BYTES = 1024 * 1024
_PIECE_BYTES = 64 * 1024


@record
class Unit:
    """A systemd unit: ``load`` (loaded, not-found, masked), ``active``, ``enabled`` states."""

    load: str
    active: str
    enabled: str


def parse_systemctl_show(text: str) -> dict[str, Unit]:
    """``systemctl show -p Id,LoadState,ActiveState,UnitFileState A B``: blocks of Key=Value."""
    units: dict[str, Unit] = {}
    for block in text.strip().split("\n\n"):
        pairs = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if name := pairs.get("Id"):
            units[name] = Unit(
                pairs.get("LoadState", ""),
                pairs.get("ActiveState", ""),
                pairs.get("UnitFileState", ""),
            )
    return units


class Host:
    """This machine. ``offline`` sends no packet; ``deep`` allows the slow measurements.

    ``probe_ports``: whether ports may be bound for an instant (not while components start).
    """

    def __init__(
        self, *, offline: bool = False, deep: bool = False, probe_ports: bool = True
    ) -> None:
        self.offline, self.deep, self.probe_ports = offline, deep, probe_ports
        self._units: Known[dict[str, Unit]] | None = None
        self._lock = threading.Lock()
        # Set when the link has been asked, for whose answers everything waits in the end.
        self.link_asked = threading.Event()
        if offline:
            self.link_asked.set()

    def read(self, path: str, limit_bytes: int = READ_LIMIT_BYTES) -> Known[str]:
        """The text of a file (undecodable bytes replaced), or why it cannot be read."""
        data = self.read_bytes(path, limit_bytes)
        return data if isinstance(data, Unknown) else data.decode("utf-8", "replace")

    def read_bytes(self, path: str, limit_bytes: int = READ_LIMIT_BYTES) -> Known[bytes]:
        """At most ``limit_bytes`` of a file, or why it cannot be read."""
        # os.read in pieces: a file object's read(limit) first allocates the whole limit, which
        # costs ten times the reading of a file in /proc.
        data = b""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                while len(data) < limit_bytes and (
                    piece := os.read(descriptor, min(_PIECE_BYTES, limit_bytes - len(data)))
                ):
                    data += piece
            finally:
                os.close(descriptor)
        except OSError as error:
            return unreadable(path, error)
        return data

    def read_optional(self, path: str) -> Known[str | None]:
        """As ``read``; None where the file is not there, which is an answer and not a gap."""
        text = self.read(path)
        return None if isinstance(text, Unknown) and text.reason == "absent" else text

    def listdir(self, path: str) -> Known[tuple[str, ...]]:
        """The sorted names in a directory, or why they cannot be read."""
        try:
            return tuple(sorted(os.listdir(path)))
        except OSError as error:
            return unreadable(path, error)

    def exists(self, path: str) -> bool:
        """Whether a path is there; False too where that may not be seen."""
        return os.path.exists(path)

    def start(self, argv: Sequence[str]) -> Callable[[], Known[Output]]:
        """Starts a program now; calling the answer waits for it."""
        try:
            running = Running(argv)
        except CommandError as error:
            unknown = Unknown(error.reason, str(error))
            return lambda: unknown
        return lambda: attempt(lambda: running.result(timeout_s=COMMAND_TIMEOUT_S))

    def run(self, argv: Sequence[str]) -> Known[Output]:
        """Runs a program to its end, at most ``COMMAND_TIMEOUT_S`` seconds."""
        return self.start(argv)()

    def units(self) -> Known[dict[str, Unit]]:
        """The state of every unit in ``UNITS``, read once."""
        with self._lock:
            if self._units is None:
                self._units = self._read_units()
            return self._units

    def _read_units(self) -> Known[dict[str, Unit]]:
        # sd_booted(3): the directory is there exactly where systemd is process 1.
        if not os.path.isdir("/run/systemd/system"):
            return Unknown("absent", "systemd does not run here")
        output = self.run(
            ["systemctl", "show", "-p", "Id,LoadState,ActiveState,UnitFileState", *UNITS]
        )
        return output if isinstance(output, Unknown) else parse_systemctl_show(output.stdout)


def unreadable(path: str, error: OSError) -> Unknown:
    """An OSError in the words of ``Unknown``."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Unknown("absent", f"{path} is not there")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Unknown("denied", f"{path} may not be read: {error.strerror}")
    return Unknown("failed", f"{path} cannot be read: {error.strerror}")


def attempt(action: Callable[[], T]) -> Known[T]:
    """Runs ``action``; a program that failed gives an Unknown with its reason."""
    try:
        return action()
    except CommandError as error:
        return Unknown(error.reason, str(error))
