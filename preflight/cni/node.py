"""The network configuration that this node's runtime takes, and where its plugins are."""

from __future__ import annotations

import os

from preflight.cni.spec import EXTENSIONS, LoadError, NetworkConfig, load
from preflight.cni.winner import choose
from preflight.facts import cnifiles
from preflight.facts.host import Host
from preflight.facts.model import Unknown
from preflight.facts.model.runtime import RuntimeConfig
from preflight.facts.procs import process_names
from preflight.facts.runtimeconfigs import read_configs
from rules.errors import EXIT_UNDETERMINED, ConfigError, NodeprepError
from rules.files import read_input
from rules.record import record


class NoNetwork(NodeprepError):
    """No configuration can be used on this node, and why."""

    exit_code = EXIT_UNDETERMINED


@record
class NodeNetwork:
    """``network`` is what the runtime takes of ``conf_dir``; ``runtime`` is its name."""

    network: NetworkConfig
    plugin_dirs: tuple[str, ...]
    conf_dir: str
    runtime: str


def runtime_of(host: Host) -> RuntimeConfig:
    """The configuration of the runtime that is installed; the usual places where none is."""
    configs = read_configs(host, (), process_names())
    usable = [] if isinstance(configs, Unknown) else [item for item in configs if not item.error]
    return (
        usable[0]
        if usable
        else RuntimeConfig(
            "containerd", "", "", cnifiles.DEFAULT_PLUGIN_DIRS, cnifiles.DEFAULT_CONF_DIR
        )
    )


def load_file(path: str) -> NetworkConfig:
    """A configuration file that a person named. Raises ConfigError."""
    text = read_input(path, limit_bytes=cnifiles.FILE_LIMIT_BYTES)
    name = path if path.endswith(EXTENSIONS) else f"{path}.conflist"
    try:
        network = load(name, text)
    except LoadError as error:
        raise ConfigError(path, str(error)) from None
    return network


def find_network(
    host: Host, *, conf: str = "", conf_dir: str = "", plugin_dirs: tuple[str, ...] = ()
) -> NodeNetwork:
    """The network of this node; each argument that is given beats what the runtime says.

    Raises NoNetwork or ConfigError, which name the file.
    """
    runtime = runtime_of(host)
    directory = os.path.normpath(conf_dir or runtime.conf_dir or cnifiles.DEFAULT_CONF_DIR)
    said = plugin_dirs or usable_dirs(runtime.plugin_dirs)
    if conf:
        return NodeNetwork(load_file(conf), said, directory, runtime.runtime)
    files = cnifiles.read_files(host, (directory,))
    if isinstance(files, Unknown):
        raise NoNetwork(files.message)
    choice = choose(
        {file.path: file.text for file in files},
        directory,
        runtime.runtime,
        limit=runtime.max_conf_num,
        name=runtime.default_network,
    )
    if choice.blocked_by is not None:
        problem = choice.blocked_by
        raise ConfigError(
            problem.path, f"{problem.problem}, and {runtime.runtime} looks at no other file"
        )
    if choice.unread is not None:
        raise NoNetwork(choice.unread.message)
    if choice.network is None:
        raise NoNetwork(f"{directory}: has no network configuration; run: nodeprep cni install")
    return NodeNetwork(choice.network, said, directory, runtime.runtime)


def usable_dirs(plugin_dirs: tuple[str, ...]) -> tuple[str, ...]:
    """The runtime's own directories, and the usual ones where it names none."""
    named = tuple(dict.fromkeys(os.path.normpath(path) for path in plugin_dirs if path))
    return named or cnifiles.DEFAULT_PLUGIN_DIRS
