"""Who listens on this machine, what can be bound, and which ports connections take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from preflight.facts.bindprobe import probe
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.ports import BindProbe, Listener, Ports
from preflight.facts.owners import find_owners
from preflight.facts.portranges import RANGE, RESERVED, parse_port_range, parse_reserved
from preflight.facts.procs import name_of, unit_of
from preflight.facts.sockets import Socket, read_sockets
from preflight.settings import Settings
from rules.cluster import Role

T = TypeVar("T")


def collect(host: Host, settings: Settings) -> Ports:
    """Reads everything: about 1 ms, and 0.03 ms more for each process where a socket has to be
    looked for in all of them."""
    sockets = read_sockets(host)
    return Ports(
        listeners=sockets if isinstance(sockets, Unknown) else _listeners(sockets),
        bind_probes=_probes(host, settings, sockets),
        ephemeral=_read(host, RANGE, parse_port_range),
        reserved=_read(host, RESERVED, parse_reserved),
    )


def listeners(host: Host) -> Known[tuple[Listener, ...]]:
    """Who listens, with names."""
    sockets = read_sockets(host)
    return sockets if isinstance(sockets, Unknown) else _listeners(sockets)


def _listeners(sockets: tuple[Socket, ...]) -> tuple[Listener, ...]:
    owners = find_owners({each.inode for each in sockets if each.inode})
    processes = {pid: (name_of(pid), unit_of(pid)) for pid in set(owners.pids.values())}
    found: dict[Listener, None] = {}
    for each in sockets:
        pid = owners.pids.get(each.inode)
        name, unit = processes[pid] if pid is not None else ("", "")
        listener = Listener(
            each.protocol,
            each.address,
            each.port,
            pid,
            name,
            unit,
            dual=each.dual,
            kernel=pid is None and owners.complete,
        )
        found[listener] = None
    return tuple(sorted(found, key=_order))


def _order(listener: Listener) -> tuple[object, ...]:
    address = listener.address
    return listener.protocol, listener.port, address.version, int(address), listener.pid or 0


def bound_ports(settings: Settings) -> tuple[tuple[str, int], ...]:
    """(protocol, port) that any role of this cluster binds, sorted; ranges aside."""
    from rules.policy import policy

    version = settings.version_given
    flows = (
        flow
        for role in Role
        for flow in policy(
            role, settings.cluster, version=version, proxy_disabled=settings.proxy_disabled
        ).bound
    )
    return tuple(
        sorted(
            {
                (flow.protocol.value, flow.ports[0])
                for flow in flows
                if flow.ports is not None
                and flow.ports[0] == flow.ports[1]
                and flow.protocol.value in ("tcp", "udp")
            }
        )
    )


def _probes(
    host: Host, settings: Settings, sockets: Known[tuple[Socket, ...]]
) -> Known[tuple[BindProbe, ...]]:
    """Where a listener was seen it says all, so only the other ports are tried."""
    if not host.probe_ports:
        return Unknown("not-asked", "ports are tried before kubeadm only")
    seen = set() if isinstance(sockets, Unknown) else {(s.protocol, s.port) for s in sockets}
    return probe(each for each in bound_ports(settings) if each not in seen)


def _read(host: Host, path: str, parse: Callable[[str], Known[T]]) -> Known[T]:
    text = host.read(path)
    return text if isinstance(text, Unknown) else parse(text)
