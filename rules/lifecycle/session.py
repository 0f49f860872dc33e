"""The operator's own SSH connection: the one that a wrong rule would cut."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from rules.access import Admission, Hook
from rules.cluster import IPAddress
from rules.flows import Protocol
from rules.record import record
from rules.sockets import parse_connections, plain_address

_MOST_ANCESTORS = 64


@record
class Session:
    """The two ends of the connection, as this host sees them."""

    client: IPAddress
    client_port: int
    server: IPAddress
    server_port: int

    def __str__(self) -> str:
        return f"SSH from {self.client} to port {self.server_port}"


def parse_connection(text: str) -> Session | None:
    """``SSH_CONNECTION`` (client, its port, server, its port) -> Session; None for other text."""
    words = text.split()
    if len(words) != 4:
        return None
    try:
        ports = int(words[1]), int(words[3])
        ends = plain_address(words[0]), plain_address(words[2])
    except ValueError:
        return None
    if not all(0 < port < 65536 for port in ports):
        return None
    return Session(ends[0], ports[0], ends[1], ports[1])


def operator_session(
    environ: Mapping[str, str] | None = None, proc: str = "/proc"
) -> Session | None:
    """The SSH connection that this process was started through; None where there is none.

    The socket of an sshd above us comes first: it is what is, while a variable may be older (tmux)
    or missing (sudo). Then SSH_CONNECTION of this process and of those above it.
    """
    variables = os.environ if environ is None else environ
    ancestors = list(_ancestors(Path(proc)))
    for process in ancestors:
        if _read(process / "comm").strip().startswith("sshd") and (found := _socket_of(process)):
            return found
    if found := parse_connection(variables.get("SSH_CONNECTION", "")):
        return found
    for process in ancestors:
        for variable in _read(process / "environ").split("\0"):
            name, _, value = variable.partition("=")
            if name == "SSH_CONNECTION" and (found := parse_connection(value)):
                return found
    return None


def _ancestors(proc: Path) -> Iterator[Path]:
    pid = os.getppid()
    for _ in range(_MOST_ANCESTORS):
        if pid <= 0:
            return
        process = proc / str(pid)
        yield process
        # The name in parentheses may hold anything, parentheses too.
        fields = _read(process / "stat").rpartition(")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _socket_of(process: Path) -> Session | None:
    inodes = set()
    try:
        for descriptor in os.scandir(process / "fd"):
            target = os.readlink(descriptor.path)
            if target.startswith("socket:["):
                inodes.add(target[len("socket:[") : -1])
    except OSError:
        return None
    for name in ("tcp", "tcp6"):
        for found in parse_connections(_read(process / "net" / name)):
            if found.inode in inodes and not found.on_loopback:
                return Session(found.remote, found.remote_port, found.local, found.local_port)
    return None


def refusal(session: Session, admitted: tuple[Admission, ...]) -> str:
    """Why a new connection like the operator's would be dropped under ``enforce``; empty: no.

    ``established`` keeps the present connection alive and lets nobody in again.
    """
    if session.client.is_loopback or session.client == session.server:
        return ""
    near: list[Admission] = []
    for admission in admitted:
        if admission.hook is not Hook.INPUT or admission.protocol is not Protocol.TCP:
            continue
        if admission.family != session.client.version:
            continue
        first, last = admission.ports or (0, 65535)
        if not first <= session.server_port <= last:
            continue
        if any(session.client in network for network in admission.sources):
            return ""
        near.append(admission)
    if near:
        flows = ", ".join(dict.fromkeys(admission.flow for admission in near))
        sources = ", ".join(str(network) for admission in near for network in admission.sources[:4])
        return (
            f"{session} would be dropped by the rule nodeprep:enforce: the flow {flows} admits "
            f"{sources} only; add {session.client} to sources.admins of the cluster file"
        )
    return (
        f"{session} would be dropped by the rule nodeprep:enforce: no flow admits "
        f"{session.server_port}/tcp from {session.client}; name the address in sources.admins of "
        "the cluster file (SSH is expected on port 22)"
    )
