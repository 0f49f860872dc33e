"""The cgroup driver of the runtime, beside the kubelet's."""

from __future__ import annotations

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
    warned,
)
from preflight.checks.runtimechoice import chosen_config, chosen_server, runtime_name, service_of
from preflight.checks.scope import kubelet_version
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.runtime import CriServer, Kubelet, RuntimeConfig
from preflight.target import Phase, Target
from preflight.versions.kubelet import DEFAULT_CGROUP_DRIVER, DRIVER_FROM_RUNTIME_SINCE

_CONTAINERD_PATH = "/etc/containerd/config.toml"
_CRIO_DROP_IN = "/etc/crio/crio.conf.d/99-cgroup-driver.conf"
KUBELET_CGROUPFS = (
    "set cgroupDriver: cgroupfs in the KubeletConfiguration that kubeadm is given: the other "
    "driver needs systemd as process 1"
)
# Where containerd's configuration keeps its runtimes, by layout.
_SECTIONS = {
    2: "io.containerd.grpc.v1.cri",
    3: "io.containerd.cri.v1.runtime",
    4: "io.containerd.cri.v1.runtime",
}


@check(
    "cri-cgroup-driver",
    fix="cri-cgroup-driver",
    title="Runtime and kubelet use one cgroup driver",
    why="A runtime that makes cgroups itself beside a kubelet that lets systemd make them gives "
    "each pod two places to be counted in; the kubelet then fails or kills pods under load.",
    source="https://kubernetes.io/docs/setup/production-environment/container-runtimes/"
    "#cgroup-drivers",
    roles=KUBELET_ROLES,
)
def cri_cgroup_driver(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. Drivers: systemd or cgroupfs."""
    runtime = known(facts.runtime)
    server, config = chosen_server(runtime, target), chosen_config(runtime, target)
    if server is None and config is None:
        yield skipped("there is no container runtime to compare the kubelet with")
        return
    driver, where = runtime_driver(server, config)
    name = runtime_name(server, config)
    if not driver:
        yield undetermined(f"{name} does not tell its cgroup driver: {where}")
        return
    kubelet = None if isinstance(runtime.kubelet, Unknown) else runtime.kubelet
    told = server is not None and bool(server.cgroup_driver)
    if told and kubelet_version(facts, target).release >= DRIVER_FROM_RUNTIME_SINCE:
        wanted: str | Unknown = driver
        message = f"{name} uses {driver}, and the kubelet takes that from it"
    else:
        wanted = _kubelet_driver(kubelet, target)
        message = f"{name} and the kubelet use {driver}"
    systemd = not isinstance(facts.system, Unknown) and facts.system.systemd
    stays = driver == "cgroupfs" and not isinstance(facts.system, Unknown) and not systemd
    if isinstance(wanted, Unknown):
        yield undetermined(wanted.message)
    elif wanted != driver:
        yield failed(
            f"{name} uses {driver} ({where}) and the kubelet uses {wanted}",
            observed=driver,
            expected="cgroupfs for the kubelet too" if stays else wanted,
            remedy=KUBELET_CGROUPFS if stays else _mend(server, config, driver),
        )
    elif driver == "cgroupfs" and systemd:
        yield warned(
            f"{message}, while systemd manages the cgroups of this machine too",
            observed=driver,
            expected="systemd",
            remedy=_mend(server, config, driver),
        )
    else:
        yield passed(message, observed=driver)


def runtime_driver(server: CriServer | None, config: RuntimeConfig | None) -> tuple[str, str]:
    """The driver and what says so; an empty driver and why it is not known."""
    if server and server.cgroup_driver:
        return server.cgroup_driver, "as it answers"
    if server and server.configured_driver:
        return server.configured_driver, "as it runs now"
    if config and config.error:
        return "", config.error
    if config:
        return config.cgroup_driver, config.driver_at or config.path or "its default"
    return "", server.error if server and server.error else "its configuration was not found"


def _kubelet_driver(kubelet: Kubelet | None, target: Target) -> str | Unknown:
    """Before kubeadm runs, what it will write counts; after, what the node has."""
    given = target.settings.kubelet.cgroup_driver or ""
    if kubelet is None:
        return given or DEFAULT_CGROUP_DRIVER
    if given and target.phase is Phase.BEFORE:
        return given
    if kubelet.cgroup_driver:
        return kubelet.cgroup_driver
    if kubelet.config_unknown and not given:
        return kubelet.config_unknown
    return given or DEFAULT_CGROUP_DRIVER


def _mend(server: CriServer | None, config: RuntimeConfig | None, driver: str) -> str:
    """The commands that give the runtime the systemd driver, or say how the kubelet gets it."""
    if driver == "systemd":
        return "set cgroupDriver: systemd in the KubeletConfiguration that kubeadm is given"
    service = service_of(server, config)
    restart = f"systemctl restart {service}"
    if config and config.cgroup_driver == "systemd" and not config.error:
        # The file is right, and the server was started before it was.
        return restart
    if service == "crio.service":
        return (
            f"printf '[crio.runtime]\\ncgroup_manager = \"systemd\"\\n' > {_CRIO_DROP_IN} && "
            f"{restart}"
        )
    if service != "containerd.service":
        return f"give the runtime behind {service} the systemd cgroup driver, then: {restart}"
    return f"{_edit_containerd(config)} && {restart}"


def _edit_containerd(config: RuntimeConfig | None) -> str:
    if config and config.driver_at:
        return _switch(config.driver_at)
    if config and config.path and config.layout in _SECTIONS and not config.error:
        table = f'plugins."{_SECTIONS[config.layout]}".containerd.runtimes.runc'
        lines = (
            "",
            f"[{table}]",
            'runtime_type = "io.containerd.runc.v2"',
            f"[{table}.options]",
            "SystemdCgroup = true",
        )
        return f"printf '%s\\n' {shlex.join(lines)} >> {shlex.quote(config.path)}"
    path = config.path if config and config.path else ""
    place = shlex.quote(path or _CONTAINERD_PATH)
    keep = f"cp {place} {place}.before && " if path else "mkdir -p /etc/containerd && "
    return f"{keep}containerd config default > {place} && {_switch(path or _CONTAINERD_PATH)}"


def _switch(path: str) -> str:
    return f"sed -i -E 's/(SystemdCgroup *= *)false/\\1true/' {shlex.quote(path)}"
