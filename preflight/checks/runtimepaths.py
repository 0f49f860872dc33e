"""The directories in which the runtime looks for the pod network."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from preflight.checks.registry import (
    KUBELET_ROLES,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
)
from preflight.checks.runtimechoice import chosen_config, chosen_server, runtime_name, service_of
from preflight.facts.model import Facts, Known, Unknown, known
from preflight.facts.model.cni import Cni
from preflight.facts.model.runtime import CriServer, RuntimeConfig
from preflight.target import Target

# Where `nodeprep cni install` and the DaemonSets of all products write.
CONF_DIR = "/etc/cni/net.d"
PLUGIN_DIR = "/opt/cni/bin"
# These come from a package or `nodeprep cni install`; every other product installs its own plugin.
_PLAIN = frozenset({"bridge", "ptp", "vlan", "ipvlan", "macvlan", "host-device", "dhcp"})


@check(
    "cri-cni-paths",
    fix="cri-cni-paths",
    title="The runtime looks for the pod network where it is",
    why="The runtime reads one configuration directory and runs plugins from the directories that "
    "it was given: a plugin or configuration anywhere else is not there for it, and pods stay in "
    "ContainerCreating.",
    source="https://github.com/containerd/containerd/blob/main/docs/cri/config.md",
    roles=KUBELET_ROLES,
)
def cri_cni_paths(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for ``plugins``, one for ``configuration``."""
    runtime = known(facts.runtime)
    server, config = chosen_server(runtime, target), chosen_config(runtime, target)
    if server is None and config is None:
        yield skipped("there is no container runtime that could look for it")
        return
    name = runtime_name(server, config)
    directories, conf_dir = _directories(server, config)
    if not directories or not conf_dir:
        said = config.error if config and config.error else "its configuration was not found"
        yield undetermined(f"{name} does not tell its directories: {said}")
        return
    yield _plugins(target, facts.cni, name, directories)
    yield _configuration(facts.cni, name, conf_dir, service_of(server, config))


def _directories(
    server: CriServer | None, config: RuntimeConfig | None
) -> tuple[tuple[str, ...], str]:
    """What the running server says, else its files."""
    plugin_dirs = server.plugin_dirs if server else ()
    conf_dir = server.conf_dir if server else ""
    if config and not config.error:
        plugin_dirs, conf_dir = plugin_dirs or config.plugin_dirs, conf_dir or config.conf_dir
    return tuple(map(os.path.normpath, plugin_dirs)), conf_dir and os.path.normpath(conf_dir)


def _plugins(target: Target, cni: Known[Cni], name: str, directories: tuple[str, ...]) -> Judgement:
    subject, observed = "plugins", ", ".join(directories)
    wanted = target.cluster.cni.name
    if wanted not in _PLAIN and PLUGIN_DIR not in directories:
        return failed(
            f"{name} looks for plugins in {observed}, and {wanted} installs its own in "
            f"{PLUGIN_DIR}",
            subject=subject,
            observed=observed,
            expected=PLUGIN_DIR,
            remedy=_link(PLUGIN_DIR, directories[0], product=True),
        )
    if isinstance(cni, Unknown):
        return undetermined(cni.message, subject=subject)
    if isinstance(cni.plugins, Unknown):
        return undetermined(cni.plugins.message, subject=subject)
    found = {os.path.dirname(plugin.path) for plugin in cni.plugins}
    if found & set(directories):
        return passed(
            f"{name} runs plugins from {observed}, which has some",
            subject=subject,
            observed=observed,
        )
    if unread := sorted(set(directories) - set(cni.plugin_dirs)):
        return undetermined(f"nobody looked into {', '.join(unread)}", subject=subject)
    if found:
        places = ", ".join(sorted(found))
        return failed(
            f"{name} looks for plugins in {observed}, and they are in {places}",
            subject=subject,
            observed=observed,
            expected=places,
            remedy=_link(sorted(found)[0], directories[0], product=False),
        )
    return passed(
        f"{name} will run plugins from {observed}, where there are none yet",
        subject=subject,
        observed=observed,
    )


def _link(source: str, directory: str, *, product: bool) -> str:
    if product:
        # The product copies its plugin later: the whole directory must be the same one.
        return (
            f"mkdir -p {source} && cp -an {shlex.quote(directory)}/. {source}/ && "
            f"mv {shlex.quote(directory)} {shlex.quote(directory)}.before && "
            f"ln -s {source} {shlex.quote(directory)}"
        )
    quoted = shlex.quote(directory)
    return f"mkdir -p {quoted} && ln -s {shlex.quote(source)}/* {quoted}/"


def _configuration(cni: Known[Cni], name: str, conf_dir: str, service: str) -> Judgement:
    subject = "configuration"
    if conf_dir == CONF_DIR:
        return passed(f"{name} reads {conf_dir}", subject=subject, observed=conf_dir)
    if isinstance(cni, Unknown):
        return undetermined(cni.message, subject=subject)
    if isinstance(cni.files, Unknown):
        return undetermined(cni.files.message, subject=subject)
    files = [file.path for file in cni.files if os.path.dirname(file.path) == conf_dir]
    if files:
        return passed(
            f"{name} reads {conf_dir}, which has {len(files)} file(s)",
            subject=subject,
            observed=conf_dir,
        )
    return failed(
        f"{name} reads {conf_dir}, which has no configuration, and pod networks write {CONF_DIR}",
        subject=subject,
        observed=conf_dir,
        expected=CONF_DIR,
        remedy=f"set the CNI configuration directory of {name} to {CONF_DIR} (conf_dir in "
        f"containerd's config.toml, network_dir in CRI-O's), then: systemctl restart {service}",
    )
