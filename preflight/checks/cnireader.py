"""Who reads the CNI configuration of this node, and from where: for all checks of it."""

from __future__ import annotations

from collections.abc import Iterable
from os.path import normpath

from preflight.checks.runtimechoice import chosen_config, chosen_server, runtime_name
from preflight.cni.products import belongs
from preflight.cni.spec import LoadError, NetworkConfig, load
from preflight.cni.winner import CONTAINERD, CRI_DOCKERD, CRIO, Choice, candidates, choose
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.cni import Cni, Plugin
from preflight.facts.model.network import Interface
from preflight.facts.model.runtime import CriServer, RuntimeConfig
from preflight.target import Target
from preflight.versions.runtimes import parse_runtime_version
from rules.cnis import Profile
from rules.record import record
from rules.version import Version

DEFAULT_CONF_DIR = "/etc/cni/net.d"
# containerd 2.0 is the first with libcni 1.2, which reads CNI 1.1.0.
_READS_1_1_SINCE = Version(2, 0)


@record
class Reader:
    """A runtime as CNI sees it.

    ``kind`` is a name of ``preflight.cni.winner``, ``title`` how messages call it. ``limit`` and
    ``network`` as in ``choose``. ``newest_spec``: the newest cniVersion that it reads.
    ``assumed``: no runtime was found, and the usual places hold.
    """

    kind: str
    title: str
    conf_dir: str
    plugin_dirs: tuple[str, ...]
    limit: int = 1
    network: str = ""
    newest_spec: str = "1.1.0"
    assumed: bool = False


def reader(facts: Facts, target: Target) -> Reader:
    """The runtime that the kubelet is to use; the usual places where none was found."""
    server, config = _runtime(facts, target)
    cni = known(facts.cni)
    if server is None and config is None:
        return Reader(CONTAINERD, "the runtime", DEFAULT_CONF_DIR, cni.plugin_dirs, assumed=True)
    name = runtime_name(server, config)
    kind = _kind(name, server)
    conf_dir = (server.conf_dir if server else "") or (config.conf_dir if config else "")
    plugin_dirs = (server.plugin_dirs if server else ()) or (config.plugin_dirs if config else ())
    return Reader(
        kind,
        name,
        normpath(conf_dir or DEFAULT_CONF_DIR),
        tuple(map(normpath, plugin_dirs)) or cni.plugin_dirs,
        limit=config.max_conf_num if config else 1,
        network=config.default_network if config and kind == CRIO else "",
        newest_spec=_newest_spec(kind, server),
        assumed=not conf_dir,
    )


def _runtime(facts: Facts, target: Target) -> tuple[CriServer | None, RuntimeConfig | None]:
    runtime = facts.runtime
    if isinstance(runtime, Unknown) or isinstance(runtime.cri_servers, Unknown):
        return None, None
    config = chosen_config(runtime, target)
    return chosen_server(runtime, target), None if config is None or config.error else config


def _kind(name: str, server: CriServer | None) -> str:
    place = server.socket if server else ""
    if "docker" in name or "dockerd" in place:
        return CRI_DOCKERD
    return CRIO if "cri-o" in name or "crio" in name else CONTAINERD


def _newest_spec(kind: str, server: CriServer | None) -> str:
    version = parse_runtime_version(server.version) if server else None
    old = kind == CONTAINERD and version is not None and version < _READS_1_1_SINCE
    return "1.0.0" if old else "1.1.0"


def chosen(cni: Cni, who: Reader) -> Choice:
    """What the runtime makes of its directory. Raises Undetermined where that is not known."""
    texts = {file.path: file.text for file in known(cni.files)}
    return choose(texts, who.conf_dir, who.kind, limit=who.limit, name=who.network)


def wanted_network(cni: Cni, who: Reader, profile: Profile) -> NetworkConfig | None:
    """The configuration of the wanted network: the one in force, else the first that is there."""
    choice = chosen(cni, who)
    if choice.network is not None and belongs(choice.network, profile):
        return choice.network
    if choice.blocked_by is not None or choice.unread is not None:
        return None
    texts = {file.path: file.text for file in known(cni.files)}
    for path in candidates(texts, who.conf_dir):
        text = texts[path]
        if isinstance(text, Unknown):
            continue
        try:
            network = load(path, text)
        except LoadError:
            continue
        if belongs(network, profile):
            return network
    return None


def locate(plugins: Iterable[Plugin], directories: tuple[str, ...], kind: str) -> Plugin | None:
    """The file that a runtime runs for a type: the first one in its directories."""
    found = [plugin for plugin in plugins if plugin.name == kind]
    for directory in directories:
        for plugin in found:
            if plugin.path == f"{directory}/{kind}":
                return plugin
    return None


def uplink_interface(facts: Facts) -> Interface | None:
    """The interface of the best default route of the main table."""
    if isinstance(facts.network, Unknown):
        return None
    routes, interfaces = facts.network.routes, facts.network.interfaces
    if isinstance(routes, Unknown) or isinstance(interfaces, Unknown):
        return None
    defaults = [
        route
        for route in routes
        if route.table == "main" and route.destination.prefixlen == 0 and route.interface
    ]
    if not defaults:
        return None
    # IPv4 first where both families have one: the same link in all but odd set-ups.
    best = min(defaults, key=lambda route: (route.destination.version, route.metric))
    return next((item for item in interfaces if item.name == best.interface), None)
