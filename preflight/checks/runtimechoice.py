"""Which of the node's runtimes the checks judge: the one that the kubelet will be told to use."""

from __future__ import annotations

from preflight.facts.model.known import Unknown, known
from preflight.facts.model.runtime import CriServer, Runtime, RuntimeConfig, socket_path
from preflight.target import Target

_SERVICES = {"containerd": "containerd.service", "cri-o": "crio.service", "crio": "crio.service"}
_SERVICE_BY_SOCKET = (
    ("containerd", "containerd.service"),
    ("crio", "crio.service"),
    ("cri-dockerd", "cri-docker.service"),
)


def chosen_server(runtime: Runtime, target: Target) -> CriServer | None:
    """The server on the configured socket, else the only one, else the first that answers."""
    servers = known(runtime.cri_servers)
    wanted = socket_path(target.settings.cri_socket)
    if wanted:
        return next((server for server in servers if server.socket == wanted), None)
    answering = [server for server in servers if server.api]
    return next(iter(answering or servers), None)


def chosen_config(runtime: Runtime, target: Target) -> RuntimeConfig | None:
    """The configuration of the runtime that ``chosen_server`` gives; None where there is none."""
    configs = runtime.runtime_configs
    if isinstance(configs, Unknown):
        return None
    server = chosen_server(runtime, target)
    socket = server.socket if server else socket_path(target.settings.cri_socket)
    if socket:
        return next((each for each in configs if each.socket == socket or each.error), None)
    return next(iter(configs), None)


def runtime_name(server: CriServer | None, config: RuntimeConfig | None) -> str:
    """containerd, cri-o, ... as it calls itself; else by its configuration or socket."""
    if server and server.name:
        return server.name
    if config:
        return config.runtime
    name = server.socket.rsplit("/", 1)[-1].removesuffix(".sock") if server else ""
    return name or "the container runtime"


def service_of(server: CriServer | None, config: RuntimeConfig | None) -> str:
    """The systemd unit that runs it."""
    name = runtime_name(server, config)
    if name in _SERVICES:
        return _SERVICES[name]
    place = server.socket if server else name
    return next((unit for word, unit in _SERVICE_BY_SOCKET if word in place), "containerd.service")
