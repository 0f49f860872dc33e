"""The kubelet on the node: its version, its unit, and the settings that it would start with."""

from __future__ import annotations

import os
from collections.abc import Callable

from preflight.facts.host import Host, Unit
from preflight.facts.model import Known, Unknown
from preflight.facts.model.runtime import Kubelet
from preflight.facts.unitfile import flags, parse_environment, service_words
from preflight.facts.yamllines import parse_mapping
from preflight.versions.kubelet import CONFIG_PATH, KUBEADM_FLAGS_PATH
from rules.run import Output, find_program

UNIT = "kubelet.service"
# Read by the packages' drop-in (Debian, Red Hat); by hand where there is no unit to say so.
_ENVIRONMENT_FILES = (KUBEADM_FLAGS_PATH, "/etc/default/kubelet", "/etc/sysconfig/kubelet")
Answer = Callable[[], Known[Output]]


def start(host: Host) -> tuple[str, Answer] | None:
    """The kubelet's path and its answer to ``--version``, asked now; None where there is none."""
    path = find_program("kubelet")
    return (path, host.start([path, "--version"])) if path else None


def parse_kubelet_version(text: str) -> str:
    """``Kubernetes v1.37.0`` -> ``v1.37.0``; empty where no line says so."""
    for line in text.splitlines():
        if line.startswith("Kubernetes "):
            return line.split()[1]
    return ""


def describe(host: Host, path: str, answer: Answer) -> Kubelet:
    """The kubelet at ``path``, with its effective settings."""
    unit, active = unit_state(host.units())
    values, config_path, unreadable = settings(host)
    version, version_unknown = _version(path, answer())
    resolv = values.get("resolvConf")
    return Kubelet(
        path,
        version,
        unit,
        active,
        cgroup_driver=values.get("cgroupDriver", ""),
        fail_swap_on=_flag(values.get("failSwapOn")),
        swap_behavior=values.get("memorySwap.swapBehavior", ""),
        resolv_conf=resolv,
        fail_cgroup_v1=_flag(values.get("failCgroupV1")),
        config_path=config_path,
        version_unknown=version_unknown,
        config_unknown=unreadable,
    )


def _version(path: str, output: Known[Output]) -> tuple[str, Unknown | None]:
    if isinstance(output, Unknown):
        return "", output
    version = parse_kubelet_version(output.stdout)
    return version, None if version else Unknown("failed", f"{path} --version names no version")


def unit_state(units: Known[dict[str, Unit]]) -> tuple[Known[str], Known[bool]]:
    """(enabled, disabled, masked, not-found, ...; whether it is active) of kubelet.service."""
    if isinstance(units, Unknown):
        return units, units
    unit = units.get(UNIT)
    if unit is None:
        missing = Unknown("failed", f"systemctl did not tell about {UNIT}")
        return missing, missing
    state = unit.load if unit.load in ("not-found", "masked") else unit.enabled or unit.load
    return state, unit.active == "active"


def settings(host: Host) -> tuple[dict[str, str], str, Unknown | None]:
    """The values by their names in KubeletConfiguration, the file read, and what kept it from us.

    Flags beat drop-ins, and drop-ins beat the file
    (https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/).
    """
    given = flags(service_words(UNIT, host.read, host.listdir) or _words_by_hand(host))
    path = given.get("config", CONFIG_PATH)
    values, unreadable = _file(host, path)
    config_path = path if values is not None else ""
    values = values or {}
    directory = given.get("config-dir", "")
    names = host.listdir(directory) if directory else ()
    for name in () if isinstance(names, Unknown) else names:
        # The kubelet takes *.conf in the order of their names.
        if name.endswith(".conf"):
            more, problem = _file(host, os.path.join(directory, name))
            values.update(more or {})
            unreadable = unreadable or problem
    for flag, key in _FLAGS.items():
        if flag in given:
            values[key] = given[flag]
    return values, config_path, unreadable


_FLAGS = {
    "cgroup-driver": "cgroupDriver",
    "fail-swap-on": "failSwapOn",
    "resolv-conf": "resolvConf",
    "fail-cgroupv1": "failCgroupV1",
}


def _words_by_hand(host: Host) -> list[str]:
    words: list[str] = []
    for path in _ENVIRONMENT_FILES:
        text = host.read(path)
        if isinstance(text, str):
            words += [word for value in parse_environment(text).values() for word in value.split()]
    return words


def _file(host: Host, path: str) -> tuple[dict[str, str] | None, Unknown | None]:
    text = host.read_optional(path)
    if text is None:
        return None, None
    if isinstance(text, Unknown):
        return None, text
    try:
        return parse_mapping(text), None
    except ValueError as error:
        return None, Unknown("failed", f"{path} is not YAML: {error}")


def _flag(text: str | None) -> bool | None:
    """Go's strconv.ParseBool."""
    if text is None:
        return None
    words = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
    return words.get(text.lower())
