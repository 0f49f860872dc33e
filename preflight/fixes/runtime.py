"""The container runtime's configuration: the cgroup driver, and where the pod network is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from preflight.checks.cgroupdriver import KUBELET_CGROUPFS
from preflight.checks.runtimechoice import chosen_config, chosen_server, service_of
from preflight.checks.runtimepaths import CONF_DIR
from preflight.facts.containerd import DEFAULT_PATH
from preflight.facts.model import Unknown, known
from preflight.facts.model.runtime import RuntimeConfig
from preflight.facts.tomlfile import parse_toml, string, table
from preflight.fixes.ownfile import edited, own_file
from preflight.fixes.registry import Context, fix, restart
from preflight.fixes.steps import Effect, Note, Step, edit_file, put_link
from preflight.fixes.tomledit import set_key

_CRIO_FILE = "/etc/crio/crio.conf.d/99-zz-nodeprep.conf"
_RUNC = "io.containerd.runc.v2"
# Where CRI's settings are, by layout of the file.
_SECTIONS = {
    1: "cri",
    2: "io.containerd.grpc.v1.cri",
    3: "io.containerd.cri.v1.runtime",
    4: "io.containerd.cri.v1.runtime",
}


def _containerd(context: Context) -> tuple[RuntimeConfig | None, tuple[Effect, ...]] | None:
    """containerd's configuration (None: no file) and its restart; None where it is no containerd.

    A configuration that cannot be read is nobody's to edit.
    """
    runtime = known(context.facts.runtime)
    server, config = chosen_server(runtime, context.target), chosen_config(runtime, context.target)
    if service_of(server, config) != "containerd.service" or (config and config.error):
        return None
    return config, restart(context, "containerd.service")


@fix("cri-cgroup-driver")
def cri_cgroup_driver(context: Context) -> Iterator[Step | Note]:
    """systemd for both, where systemd runs; the kubelet's file only where kubeadm has made it."""
    if any(finding.remedy == KUBELET_CGROUPFS for finding in context.findings):
        return
    runtime = known(context.facts.runtime)
    if any(finding.observed == "systemd" for finding in context.findings):
        yield from _kubelet(context)
        return
    server, config = chosen_server(runtime, context.target), chosen_config(runtime, context.target)
    if service_of(server, config) == "crio.service":
        yield from _crio(context, config)
    elif found := _containerd(context):
        yield from _driver(context, *found)


def _crio(context: Context, config: RuntimeConfig | None) -> Iterator[Step | Note]:
    """A drop-in; one of somebody else's that is read after it has the key set too."""
    effects = restart(context, "crio.service")
    yield own_file(_CRIO_FILE, "crio.conf.j2", context.id, effects=effects)
    late = config.driver_at if config else ""
    directory, name = os.path.split(_CRIO_FILE)
    if os.path.dirname(late) == directory and os.path.basename(late) > name:

        def edit(text: str | None) -> str | None:
            place = ("crio", "runtime")
            return text and set_key(text, place, "cgroup_manager", "systemd", source=late)

        yield edit_file(late, edit, context.id, effects=effects)


def _kubelet(context: Context) -> Iterator[Step | Note]:
    """The runtime has systemd already; before kubeadm the file is not there, and is kubeadm's."""
    kubelet = known(known(context.facts.runtime).kubelet)
    if kubelet is None or not kubelet.config_path or kubelet.config_unknown is not None:
        return

    def edit(text: str | None) -> str | None:
        from preflight.fixes.yamledit import set_scalar

        return (
            None
            if text is None
            else set_scalar(text, "cgroupDriver", "systemd", source=kubelet.config_path)
        )

    yield edit_file(
        kubelet.config_path, edit, context.id, effects=restart(context, "kubelet.service")
    )


def _driver(
    context: Context, config: RuntimeConfig | None, effects: tuple[Effect, ...]
) -> Iterator[Step | Note]:
    path = (config.driver_at or config.path if config else "") or DEFAULT_PATH
    if config is None or not config.path:
        yield own_file(path, "containerd.toml.j2", context.id, effects=effects)
        return

    def edit(text: str, section: tuple[str, ...]) -> str:
        runtimes = table(parse_toml(text), *section, "containerd")
        name = string(runtimes.get("default_runtime_name"), "runc")
        chosen = (*section, "containerd", "runtimes", name)
        typed = table(runtimes, "runtimes", name).get("runtime_type")
        if name == "runc" and not config.driver_at and not typed:
            # A table of a runtime takes the place of the default one, its type included.
            text = set_key(text, chosen, "runtime_type", _RUNC, source=path)
        return set_key(text, (*chosen, "options"), "SystemdCgroup", True, source=path)

    if config.cgroup_driver == "systemd":
        yield Note(f"{path} is right, and containerd runs since before that: restart it")
        return
    yield _edit(context, config, path, edit, effects)


def _edit(
    context: Context,
    config: RuntimeConfig | None,
    path: str,
    edit: Callable[[str, tuple[str, ...]], str],
    effects: tuple[Effect, ...],
) -> Step:
    """A change of one of containerd's files below the section of CRI."""

    def changed(text: str | None) -> str | None:
        if text is None:
            return None
        try:
            tables: dict[str, Any] = parse_toml(text)
        except ValueError:
            tables = {}
        version = tables.get("version")
        layout = config.layout if config else 0
        if isinstance(version, int) and version in _SECTIONS:
            layout = version
        section = _SECTIONS.get(layout, _SECTIONS[4])
        if layout == 1 and table(tables, "plugins", _SECTIONS[2]):
            section = _SECTIONS[2]
        return edited(text, lambda text: edit(text, ("plugins", section)))

    return edit_file(path, changed, context.id, effects=effects)


@fix("cri-cni-paths")
def cri_cni_paths(context: Context) -> Iterator[Step | Note]:
    """containerd reads /etc/cni/net.d and runs plugins from where they are."""
    found = _containerd(context)
    if found is None:
        return
    config, effects = found
    for finding in context.findings:
        if finding.subject == "configuration" and config is not None and config.path:
            yield _edit(
                context,
                config,
                config.path,
                lambda text, section: set_key(
                    text, (*section, "cni"), "conf_dir", CONF_DIR, source=config.path
                ),
                effects,
            )
        elif finding.subject == "plugins":
            yield from _plugins(context, config, finding.expected.split(", ")[0], effects)


def _plugins(
    context: Context, config: RuntimeConfig | None, wanted: str, effects: tuple[Effect, ...]
) -> Iterator[Step | Note]:
    """``wanted`` becomes the plugin directory; plugins from elsewhere are linked into it."""
    # Where there is no file, the fix of the driver may have made one just now.
    path = (config.path if config else "") or DEFAULT_PATH

    def edit(text: str, section: tuple[str, ...]) -> str:
        place = (*section, "cni")
        several = table(parse_toml(text), *place).get("bin_dirs")
        if isinstance(several, list) and several:
            return set_key(text, place, "bin_dirs", [wanted, *several], source=path)
        return set_key(text, place, "bin_dir", wanted, source=path)

    yield _edit(context, config, path, edit, effects)
    if config is None or not config.path:
        return
    cni = context.facts.cni
    if isinstance(cni, Unknown) or isinstance(cni.plugins, Unknown):
        return
    there = {os.path.basename(each.path) for each in cni.plugins if _is_in(each.path, wanted)}
    for plugin in cni.plugins:
        name = os.path.basename(plugin.path)
        if name not in there:
            there.add(name)
            yield put_link(f"{wanted}/{name}", plugin.path, context.id)


def _is_in(path: str, directory: str) -> bool:
    return os.path.dirname(path) == directory
