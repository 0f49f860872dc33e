from __future__ import annotations

from dataclasses import replace

import pytest

from preflight.checks.security import label_type
from preflight.facts.model import Unknown
from preflight.finding import Status
from tests.checks.kernels import verdicts, with_kernel
from tests.nodes import judge, system

# `ls -Z` on Rocky 9 with container-selinux.
LABELS = {
    "/opt/cni/bin": "system_u:object_r:bin_t:s0",
    "/opt/cni/bin/bridge": "system_u:object_r:bin_t:s0",
    "/var/lib/containerd": "system_u:object_r:container_var_lib_t:s0",
}


@pytest.mark.parametrize("state", ["disabled", "permissive", "enforcing"])
def test_every_state_is_said(state: str) -> None:
    (found,) = judge("selinux", with_kernel(selinux=state, selinux_labels=LABELS))
    assert found.status is Status.PASS


@pytest.mark.parametrize("kind", ["user_home_t", "user_tmp_t", "unlabeled_t", "default_t"])
def test_a_copied_plugin(kind: str) -> None:
    labels = {**LABELS, "/opt/cni/bin/bridge": f"unconfined_u:object_r:{kind}:s0"}
    found = judge("selinux", with_kernel(selinux="enforcing", selinux_labels=labels))
    assert verdicts(found) == {"/opt/cni/bin/bridge": "warn"}
    assert found[0].remedy == "restorecon -RFv /opt/cni/bin/bridge"
    # While it is permissive nothing is refused.
    found = judge("selinux", with_kernel(selinux="permissive", selinux_labels=labels))
    assert verdicts(found) == {"": "pass"}


def test_a_runtime_without_its_policy() -> None:
    labels = {**LABELS, "/var/lib/containerd": "system_u:object_r:var_lib_t:s0"}
    found = judge("selinux", with_kernel(selinux="enforcing", selinux_labels=labels))
    assert verdicts(found) == {"/var/lib/containerd": "warn"}
    assert "container-selinux" in found[0].remedy


def test_labels() -> None:
    assert label_type("system_u:object_r:bin_t:s0:c1,c2") == "bin_t"
    assert label_type("bin_t") == ""


@pytest.mark.parametrize(
    ("state", "parser", "status"),
    [
        ("enabled", True, Status.PASS),
        ("enabled", False, Status.WARN),
        ("disabled", False, Status.PASS),
        (Unknown("denied", "/sys/module/apparmor may not be read"), True, Status.UNKNOWN),
    ],
)
def test_apparmor(state: str, parser: bool, status: Status) -> None:
    (found,) = judge("apparmor", with_kernel(apparmor=state, apparmor_parser=parser))
    assert found.status is status


def test_apparmors_package_is_the_distributions() -> None:
    facts = with_kernel(apparmor_parser=False)
    assert "apt-get" in judge("apparmor", facts)[0].remedy
    suse = replace(facts, system=replace(system.healthy(), os_id="opensuse-leap"))
    assert "zypper" in judge("apparmor", suse)[0].remedy
