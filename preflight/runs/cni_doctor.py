"""One run of `nodeprep cni doctor`: checks, what was laid down, the runtime, the pods that live."""

from __future__ import annotations

from typing import Any

from preflight import config as configuration
from preflight.cni import journal
from preflight.cni.between import between_nodes
from preflight.cni.chain import Caller, status
from preflight.cni.doctor import examine, failing
from preflight.cni.failure import PluginFailure
from preflight.cni.livepods import LivePod, examine_pods
from preflight.cni.node import NodeNetwork, NoNetwork
from preflight.cni.outside import usual_places
from preflight.cni.proof import Cause
from preflight.cni.spec import NetworkConfig
from preflight.finding import Finding, Severity, Status
from preflight.output import check_format, write
from preflight.report.plain import printable
from preflight.runs.cni_container import Place
from preflight.runs.stopwatch import Stopwatch
from preflight.settings import Settings
from rules.errors import EXIT_DONE, EXIT_FAILED, EXIT_UNDETERMINED, ConfigError
from rules.state import Store

_RUNTIME_TIMEOUT_S = 3.0


def run_doctor(
    place: Place, *, config: str, kubeadm_config: str, offline: bool, output: str
) -> int:
    """Prints what is wrong with the pod network of this node; the exit code."""
    check_format(output)
    watch = Stopwatch()
    settings = configuration.load(config=config, kubeadm_config=kubeadm_config)
    configuration.print_warnings(settings)
    node: NodeNetwork | None = None
    absent = ""
    try:
        node = place.node()
    except NoNetwork as error:
        absent = str(error)
    except ConfigError:
        pass  # which the checks say in their own words
    network = None if node is None else node.network
    findings = examine(settings, network)
    causes = [*_drift(), *_runtime(settings, network)]
    pods: tuple[LivePod, ...] = ()
    if node is not None:
        places = () if offline else usual_places()
        causes += between_nodes(settings, node.network)
        causes += _status(node.network, Caller(node.plugin_dirs, place.cache_dir))
        pods = examine_pods(node.network, Caller(node.plugin_dirs, place.cache_dir), places)
    healthy = _verdict(findings, causes, pods)
    if absent and healthy:
        healthy = None  # nothing is wrong, and nothing is there
    document = {
        "schema_version": 1,
        "kind": "PodNetworkDiagnosis",
        "network": None if network is None else network.name,
        "conf": None if network is None else network.path,
        "healthy": healthy,
        "findings": [_finding(item) for item in findings],
        "causes": [_cause(item) for item in causes],
        "pods": [
            {
                "container": pod.container,
                "interface": pod.interface,
                "netns": pod.netns,
                "causes": [_cause(item) for item in pod.causes],
            }
            for pod in pods
        ],
        "duration_ms": round(watch.ms, 1),
    }
    write(document, _lines(findings, causes, pods, healthy, absent), output)
    return {True: EXIT_DONE, False: EXIT_FAILED, None: EXIT_UNDETERMINED}[healthy]


def _drift() -> list[Cause]:
    """What is not any more as `cni install` left it."""
    return [
        Cause(
            f"drift:{kind}",
            f"{kind} {name} is not as nodeprep cni install left it",
            "nodeprep cni install, with the flags of the first time",
        )
        for kind, name in journal.drifted(Store(journal.SUBJECT))
    ]


def _runtime(settings: Settings, network: NetworkConfig | None) -> list[Cause]:
    """A runtime that does not see the file that is there: it lost its watch on the directory."""
    from preflight.facts.cri import ask, candidates

    if network is None:
        return []
    found = []
    for socket in candidates(settings.cri_socket):
        server = ask(socket, timeout_s=_RUNTIME_TIMEOUT_S)
        if server.network_ready is False:
            found.append(
                Cause(
                    "runtime-network",
                    f"{server.name} says {server.network_message or 'NetworkReady is false'}, and "
                    f"{network.path} is there: it does not look, or looks elsewhere "
                    "(containerd/containerd#11209)",
                    f"systemctl restart {server.name}",
                )
            )
    return found


def _status(network: NetworkConfig, caller: Caller) -> list[Cause]:
    """What a plugin itself says that keeps it from taking pods."""
    try:
        status(network, caller)
    except PluginFailure as error:
        return [
            Cause(
                "plugin-status",
                f"no pod can be added: {error}",
                f"journalctl -b, for what {error.plugin} needs and has not; nodeprep cni prove",
            )
        ]
    return []


def _verdict(
    findings: list[Finding], causes: list[Cause], pods: tuple[LivePod, ...]
) -> bool | None:
    if causes or any(pod.causes for pod in pods):
        return False
    errors = [item for item in findings if item.severity is Severity.ERROR]
    if any(item.status is Status.FAIL for item in errors):
        return False
    return None if any(item.status is Status.UNKNOWN for item in errors) else True


def _finding(item: Finding) -> dict[str, Any]:
    return {
        "id": item.id,
        "subject": item.subject,
        "status": item.status.value,
        "severity": item.severity.value,
        "message": item.message,
        "remedy": item.remedy,
    }


def _cause(item: Cause) -> dict[str, str]:
    return {"name": item.name, "message": item.message, "remedy": item.remedy}


def _lines(
    findings: list[Finding],
    causes: list[Cause],
    pods: tuple[LivePod, ...],
    healthy: bool | None,
    absent: str,
) -> list[str]:
    lines = [f"UNKNOWN there is no pod network to look at: {absent}"] if absent else []
    unknown = [item for item in findings if item.status is Status.UNKNOWN]
    for item in [*failing(findings), *unknown]:
        lines.append(f"{item.status.value.upper():8}{item.id}  {item.message}")
        lines += [f"        fix: {item.remedy}"] if item.remedy else []
    for cause in causes:
        lines += [f"FAIL    {cause.name}  {cause.message}", f"        fix: {cause.remedy}"]
    for pod in pods:
        for cause in pod.causes:
            lines.append(f"FAIL    pod {pod.container} {pod.interface}  {cause.message}")
            lines.append(f"        fix: {cause.remedy}")
    words = {True: "healthy", False: "not healthy", None: "undetermined"}
    passed = sum(item.status is Status.PASS for item in findings)
    living = f"{len(pods)} live pod{'' if len(pods) == 1 else 's'}"
    lines.append(f"{words[healthy]}: {passed} findings passed, {living} looked at")
    return [printable(line) for line in lines]
