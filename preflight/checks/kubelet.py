"""The kubelet: installed, of the right version, enabled."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.packages import package_manager
from preflight.checks.registry import (
    KUBELET_ROLES,
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
)
from preflight.facts.model import Facts, known
from preflight.facts.model.runtime import Kubelet
from preflight.target import Target
from preflight.versions.kubelet import install_command, oldest_kubelet, too_new
from rules.version import Version, parse_version

_INSTALL_PAGE = (
    "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"
)
# systemctl is-enabled ends with 0 for these, which is what kubeadm goes by (systemctl(1)).
_STARTED_AT_BOOT = frozenset({"enabled", "static", "alias", "indirect", "generated"})


@check(
    "kubelet-installed",
    title="The kubelet is installed",
    why="kubeadm configures and starts the kubelet; it does not install it.",
    source=_INSTALL_PAGE,
    roles=KUBELET_ROLES,
)
def kubelet_installed(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement."""
    kubelet = known(known(facts.runtime).kubelet)
    if kubelet is not None:
        yield passed(f"the kubelet is {kubelet.path}", observed=kubelet.path)
        return
    kubeadm = known(facts.runtime).executables.get("kubeadm")
    packages = ["kubelet"] if kubeadm else ["kubelet", "kubeadm"]
    yield failed(
        "the kubelet is not installed",
        expected=f"kubelet {target.version}",
        remedy=install_command(package_manager(facts), target.version, *packages),
    )


@check(
    "kubelet-version",
    title="The kubelet's version fits the control plane",
    why="A kubelet may be three minors older than the API server (two before 1.25) and never "
    "newer; outside of that fields are lost without a word, and kubeadm refuses it.",
    source="https://kubernetes.io/releases/version-skew-policy/#kubelet",
    roles=KUBELET_ROLES,
    aliases=("KubeletVersion",),
)
def kubelet_version(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. Compares with the version that the cluster is to have."""
    kubelet = known(known(facts.runtime).kubelet)
    if kubelet is None:
        yield skipped("no kubelet is installed")
        return
    version = parse_version(kubelet.version)
    if version is None:
        yield undetermined(_why_unknown(kubelet))
        return
    oldest = oldest_kubelet(target.version)
    newest = target.version if target.version.patch else target.version.release
    expected = f"{oldest} to {newest}"
    remedy = _replace(facts, target.version)
    if too_new(version, target.version):
        yield failed(
            f"kubelet {version} is newer than the control plane's {target.version}",
            observed=str(version),
            expected=expected,
            remedy=remedy,
        )
    elif version.release < oldest:
        behind = target.version.minor - version.minor
        yield failed(
            f"kubelet {version} is {behind} minors older than the control plane's "
            f"{target.version}; {oldest} is the oldest that may join",
            observed=str(version),
            expected=expected,
            remedy=remedy,
        )
    else:
        yield passed(
            f"kubelet {version} may join a {target.version} control plane", observed=str(version)
        )


def _why_unknown(kubelet: Kubelet) -> str:
    if kubelet.version_unknown is not None:
        return kubelet.version_unknown.message
    return f"{kubelet.path} names a version that is none: {kubelet.version!r}"


def _replace(facts: Facts, version: Version) -> str:
    """Installs the target's minor: a held package must be let go first."""
    manager = package_manager(facts)
    command = install_command(manager, version, "kubelet")
    if manager == "apt":
        forced = "apt-get install -y --allow-downgrades --allow-change-held-packages kubelet"
        held = command.replace("apt-get install -y kubelet", forced)
        return f"{held} && systemctl restart kubelet.service"
    return command


@check(
    "kubelet-service",
    fix="kubelet-service",
    title="The kubelet's service is enabled",
    why="A kubelet that is not enabled runs until the next reboot: the node is then gone.",
    source=_INSTALL_PAGE,
    severity=WARNING,
    roles=KUBELET_ROLES,
    aliases=("Service-Kubelet",),
)
def kubelet_service(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. States as ``systemctl is-enabled`` names them."""
    kubelet = known(known(facts.runtime).kubelet)
    if kubelet is None:
        yield skipped("no kubelet is installed")
        return
    state = known(kubelet.unit)
    if state in _STARTED_AT_BOOT:
        yield passed(f"kubelet.service is {state}", observed=state)
    elif state == "not-found":
        yield failed(
            f"there is a kubelet ({kubelet.path}) and no kubelet.service that starts it",
            observed=state,
            expected="enabled",
            remedy=install_command(package_manager(facts), target.version, "kubelet"),
        )
    else:
        unmask = "systemctl unmask kubelet.service && " if state.startswith("masked") else ""
        yield failed(
            f"kubelet.service is {state} and will not start with the machine",
            observed=state,
            expected="enabled",
            remedy=f"{unmask}systemctl enable kubelet.service",
        )
