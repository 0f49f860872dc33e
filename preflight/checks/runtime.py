"""The container runtime and its CRI."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks.packages import package_manager
from preflight.checks.registry import (
    KUBELET_ROLES,
    Judgement,
    check,
    failed,
    passed,
    undetermined,
    warned,
)
from preflight.checks.runtimechoice import chosen_config, chosen_server, service_of
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.runtime import CriServer, Runtime
from preflight.target import Target
from preflight.versions.runtimes import (
    RUNTIME_CONFIG_IN,
    RUNTIME_CONFIG_WANTED_SINCE,
    V1ALPHA2_UNTIL,
    containerd_recommended,
    parse_runtime_version,
    recommended_containerd,
)

_ALIAS = "CRI"
_VERSION_ALIAS = "ContainerRuntimeVersion"
_CONFIGURE = (
    "mkdir -p /etc/containerd && containerd config default > /etc/containerd/config.toml && "
    "sed -i -E 's/(SystemdCgroup *= *)false/\\1true/' /etc/containerd/config.toml && "
    "systemctl enable containerd.service && systemctl restart containerd.service"
)
_DOCKER_REPOSITORY = "https://download.docker.com/linux/{name}/docker-ce.repo"
_INSTALL = {
    "apt": "apt-get update && apt-get install -y containerd && ",
    "dnf": f"curl -fsSL {_DOCKER_REPOSITORY} -o /etc/yum.repos.d/docker-ce.repo && "
    "dnf install -y containerd.io && ",
    "zypper": "zypper install -y containerd && ",
    "apk": "apk add containerd && ",
    "pacman": "pacman -S --noconfirm containerd && ",
}


@check(
    "cri-socket",
    title="A container runtime answers by CRI v1",
    why="The kubelet starts every container through the runtime's CRI socket; with no runtime, two "
    "that compete, or one whose CRI is switched off, no pod runs.",
    source="https://kubernetes.io/docs/setup/production-environment/container-runtimes/",
    roles=KUBELET_ROLES,
    aliases=(_ALIAS, _VERSION_ALIAS),
)
def cri_socket(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement; a second, of subject ``version``, for a runtime that is too old."""
    runtime = known(facts.runtime)
    servers = known(runtime.cri_servers)
    server = chosen_server(runtime, target)
    if server is None:
        named = target.settings.cri_socket
        if named and servers:
            yield undetermined(f"these facts were read without asking {named}", alias=_ALIAS)
        else:
            yield failed(
                "no container runtime has a CRI socket here",
                remedy=_start_or_install(facts, runtime),
                alias=_ALIAS,
            )
    elif len(servers) > 1 and not target.settings.cri_socket:
        sockets = " and ".join(each.socket for each in servers)
        yield failed(
            f"there are {len(servers)} CRI sockets and none is named: {sockets}",
            observed=sockets,
            expected="one socket",
            remedy=f"give kubeadm --cri-socket unix://{server.socket} "
            "(nodeRegistration.criSocket in its configuration), or remove the other runtime",
            alias=_ALIAS,
        )
    else:
        yield _answer(facts, target, runtime, server)
        yield from _version(target, server)


def _answer(facts: Facts, target: Target, runtime: Runtime, server: CriServer) -> Judgement:
    if server.reason:
        return _no_answer(facts, target, runtime, server)
    label = f"{server.name} {server.version}".strip()
    if server.api != "v1" and target.version.release > V1ALPHA2_UNTIL:
        return failed(
            f"{label} speaks only CRI {server.api}, and Kubernetes {target.version} needs v1",
            observed=server.api,
            expected="v1",
            remedy=_upgrade(facts, server),
            alias=_ALIAS,
        )
    if server.ready is False:
        return failed(
            f"{label} answers and says that it is not ready: {server.ready_message}",
            remedy=f"journalctl -u {service_of(server, None)} -n 50",
            alias=_ALIAS,
        )
    return passed(
        f"{label} answers on {server.socket} by CRI {server.api}", observed=label, alias=_ALIAS
    )


def _no_answer(facts: Facts, target: Target, runtime: Runtime, server: CriServer) -> Judgement:
    config = chosen_config(runtime, target)
    service = service_of(server, config)
    if server.reason in ("denied", "timeout"):
        remedy = (
            "run nodeprep as root" if server.reason == "denied" else f"systemctl restart {service}"
        )
        return undetermined(server.error, remedy=remedy, alias=_ALIAS)
    if server.reason == "unimplemented" and config and config.cri_disabled:
        path, line = config.disabled_at.rsplit(":", 1)
        # The name is between quotes of either kind; the comma after it goes too.
        name = r".(cri|io\.containerd\.grpc\.v1\.cri|io\.containerd\.cri\.v1\.runtime).,?"
        return failed(
            f"containerd's CRI is switched off: line {line} of {path} names it in disabled_plugins",
            remedy=f"sed -i -E '{int(line)}s/{name}//' {shlex.quote(path)} && "
            f"systemctl restart {service}",
            alias=_ALIAS,
        )
    message = server.error
    remedy = f"systemctl restart {service}"
    if server.reason == "unimplemented":
        remedy = f"journalctl -u {service} | grep -i cri | tail -n 20"
    elif server.reason == "absent":
        remedy = _start_or_install(facts, runtime)
    return failed(message, remedy=remedy, alias=_ALIAS)


def _start_or_install(facts: Facts, runtime: Runtime) -> str:
    programs = runtime.executables
    by_hand = not isinstance(facts.system, Unknown) and not facts.system.systemd
    for program, service in (("containerd", "containerd.service"), ("crio", "crio.service")):
        if programs.get(program) and by_hand:
            return f"start {program}, and see that it starts at every boot: systemd is not here"
        if programs.get(program):
            return f"systemctl enable --now {service}"
    manager = package_manager(facts)
    if manager not in _INSTALL:
        return (
            "install containerd as "
            "https://github.com/containerd/containerd/blob/main/docs/getting-started.md says"
        )
    system = known(facts.system).os_id
    command = _INSTALL[manager].format(name="fedora" if system == "fedora" else "centos")
    return command + _CONFIGURE


def _upgrade(facts: Facts, server: CriServer) -> str:
    commands = {
        "apt": "apt-get update && apt-get install -y --only-upgrade containerd",
        "dnf": "dnf upgrade -y containerd.io",
        "zypper": "zypper update -y containerd",
    }
    manager = package_manager(facts)
    if server.name == "containerd" and manager in commands:
        return f"{commands[manager]} && systemctl restart containerd.service"
    return f"install a newer {server.name or 'container runtime'}, then start it again"


def _version(target: Target, server: CriServer) -> Iterator[Judgement]:
    """Warnings about a runtime that still works, and will not for long."""
    if server.api != "v1":
        return
    version = parse_runtime_version(server.version)
    if (
        server.name == "containerd"
        and version
        and not containerd_recommended(version, target.version)
    ):
        wanted = ", ".join(f"{each}+" for each in recommended_containerd(target.version))
        yield warned(
            f"containerd {server.version} is older than what is recommended for Kubernetes "
            f"{target.version}: {wanted}",
            subject="version",
            observed=server.version,
            expected=wanted,
            remedy="install a newer containerd from https://containerd.io/downloads/ or from "
            "Docker's repository (containerd.io), then: systemctl restart containerd.service",
            alias=_VERSION_ALIAS,
        )
    elif not server.cgroup_driver and target.version.release >= RUNTIME_CONFIG_WANTED_SINCE:
        since = RUNTIME_CONFIG_IN.get(server.name, "")
        yield warned(
            f"{server.name} {server.version} cannot tell the kubelet its cgroup driver "
            "(RuntimeConfig), which a later Kubernetes will require",
            subject="version",
            observed=server.version,
            expected=f"{server.name} {since}+" if since else "a runtime with RuntimeConfig",
            remedy=f"install {server.name} {since or 'in a newer version'} or newer before the "
            "next upgrade of Kubernetes",
            alias=_VERSION_ALIAS,
        )
