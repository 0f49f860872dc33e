"""One run of `nodeprep listen`: the role's ports, the listener, what it heard."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from preflight.output import check_format
from rules.cluster import IPAddress, Role
from rules.errors import EXIT_DONE, EXIT_FAILED, UsageError
from rules.record import record

if TYPE_CHECKING:
    from preflight.fleet.reach.listener import Listener
    from preflight.settings import Settings
    from rules.policy import Policy

LONGEST_S = 3600


@record
class Request:
    """The flags of `nodeprep listen` as given."""

    role: Role
    key: str
    seconds: int
    config: str
    kubeadm_config: str
    kubernetes_version: str
    cni: str
    output: str


def run_listen(request: Request) -> int:
    """Listens until the time is over or a signal comes, then prints what was heard; exit code 1
    where no port could be bound."""
    from preflight import config as configuration
    from preflight.fleet.reach.filterview import FreshView
    from preflight.fleet.reach.key import make_key, read_key
    from preflight.fleet.reach.listener import Listener, half_open_ports
    from preflight.fleet.reach.plan import served

    check_format(request.output)
    if not 1 <= request.seconds <= LONGEST_S:
        raise UsageError(f"--seconds takes 1 to {LONGEST_S}, not {request.seconds}")
    settings = configuration.load_flags(request)
    place = make_key(request.key)
    policy = _policy(request.role, settings)
    view = FreshView()
    listener = Listener(
        read_key(str(place)),
        _name(settings),
        {key: flow.families for key, flow in served(policy).items()},
        rules=view.incoming,
        probed=view.refresh,
        held_by=_held_by,
        half_open=half_open_ports,
        known_as=_known_as(settings),
    )
    listener.open()
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    bound = sum(not port.held_by and not port.problem for port in listener.ports)
    print(
        f"nodeprep: listening on {bound} ports for {request.seconds} s; the key is {place}",
        file=sys.stderr,
        flush=True,
    )
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        listener.serve(request.seconds, lambda: bool(stopped))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    _print(_document(listener, request.role, _name(settings), started), request.output)
    return EXIT_DONE if bound else EXIT_FAILED


def _policy(role: Role, settings: Settings) -> Policy:
    from preflight.facts.installed import version_for
    from rules.policy import policy

    version, _ = version_for(settings)
    return policy(role, settings.cluster, version=version, proxy_disabled=settings.proxy_disabled)


def _name(settings: Settings) -> str:
    import socket

    return settings.node_name or socket.gethostname()


def _known_as(settings: Settings) -> tuple[IPAddress, ...]:
    name = _name(settings).lower()
    nodes = settings.cluster.nodes
    return tuple(address for node in nodes if node.name == name for address in node.addresses)


def _held_by(protocol: str, family: int, port: int) -> str:
    """Who has a port that could not be bound: program and unit, or the kernel."""
    from preflight.facts.host import Host
    from preflight.facts.model import Unknown
    from preflight.facts.ports import listeners

    found = listeners(Host())
    if isinstance(found, Unknown):
        return ""
    for one in found:
        fits = one.address.version == family or (family == 4 and one.dual)
        if (one.protocol, one.port) == (protocol, port) and fits:
            unit = f", {one.unit}" if one.unit else ""
            if one.process:
                return f"{one.process} (process {one.pid}{unit})"
            return "the kernel" if one.kernel else ""
    return ""


def _document(listener: Listener, role: Role, node: str, started: str) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "kind": "ListenReport",
        "node": node,
        "role": role.value,
        "started": started,
        "ports": [dict(vars(port)) for port in listener.ports],
        "heard": [
            {"source": source, "ports": list(ports)} for source, ports in listener.heard.items()
        ],
        "wrong": listener.wrong,
        "replayed": listener.replayed,
    }


def _print(document: dict[str, Any], output: str) -> None:
    from preflight.report.document import render
    from preflight.report.reach import listen_text

    sys.stdout.write(listen_text(document) if output == "text" else render(document, output))
