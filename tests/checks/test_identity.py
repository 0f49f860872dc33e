from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.identity import Privileges
from preflight.finding import Severity, Status
from rules.cluster import Role
from tests.nodes import ALL_CAPABILITIES, healthy, judge, system, target

CAP_NET_ADMIN, CAP_SYS_ADMIN = 1 << 12, 1 << 21
# What Docker gives root in a container.
DOCKER_CAPABILITIES = 0x00000000A80425FB


def _with(**changes: Any) -> Facts:
    return replace(healthy(), system=replace(system.healthy(), **changes))


def test_root_with_full_capabilities_passes() -> None:
    (found,) = judge("root-privileges", healthy())
    assert found.status is Status.PASS


def test_without_root_it_is_unknown_and_not_failed() -> None:
    facts = replace(healthy(), privileges=Privileges(1000, 0))
    (found,) = judge("root-privileges", facts, target(Role.WORKER))
    assert found.status is Status.UNKNOWN
    assert found.remedy == 'sudo "$(command -v nodeprep)" check --role worker'
    assert "IsPrivilegedUser" in found.aliases


@pytest.mark.parametrize(
    ("capabilities", "missing"),
    [
        (DOCKER_CAPABILITIES, ["CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"]),
        (ALL_CAPABILITIES & ~CAP_NET_ADMIN, ["CAP_NET_ADMIN"]),
        (ALL_CAPABILITIES & ~CAP_SYS_ADMIN, ["CAP_SYS_ADMIN"]),
    ],
)
def test_root_without_capabilities_is_told(capabilities: int, missing: list[str]) -> None:
    facts = replace(healthy(), privileges=Privileges(0, capabilities))
    (found,) = judge("root-privileges", facts)
    assert found.status is Status.WARN
    assert found.severity is Severity.WARNING
    assert f"without {', '.join(missing)}:" in found.message


def test_capabilities_that_cannot_be_read_are_not_missing_ones() -> None:
    absent = Unknown("absent", "/proc/self/status is not there")
    (found,) = judge("root-privileges", replace(healthy(), privileges=Privileges(0, absent)))
    assert found.status is Status.UNKNOWN
    assert found.message.endswith("/proc/self/status is not there")


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64", "ppc64le", "s390x"])
def test_linux_on_a_released_architecture_passes(architecture: str) -> None:
    (found,) = judge("os-supported", _with(architecture=architecture))
    assert found.status is Status.PASS
    assert "Debian GNU/Linux 12 (bookworm), kernel 6.1.0-40-amd64" in found.message


@pytest.mark.parametrize(
    "changes", [{"kernel_name": "FreeBSD"}, {"kernel_name": ""}, {"architecture": "riscv64"}]
)
def test_another_system_is_a_warning(changes: dict[str, str]) -> None:
    (found,) = judge("os-supported", _with(**changes))
    assert found.status is Status.WARN


def test_wsl_and_unnamed_systems_are_described() -> None:
    (found,) = judge("os-supported", _with(virtualization="wsl", os_name="", os_id=""))
    assert found.status is Status.PASS
    assert found.message.startswith("Linux, kernel")
    assert found.message.endswith("in wsl")


def test_systemd_passes() -> None:
    (found,) = judge("init-system", healthy())
    assert found.status is Status.PASS


@pytest.mark.parametrize("role", list(Role))
def test_another_init_says_what_will_not_last(role: Role) -> None:
    (found,) = judge("init-system", _with(systemd=False, init="openrc-init"), target(role))
    assert found.status is Status.WARN
    assert "process 1 is openrc-init, not systemd" in found.message
    assert ("the kubelet" in found.message) is (role is not Role.ETCD)


def test_an_init_that_may_not_be_seen_is_unknown() -> None:
    (found,) = judge("init-system", _with(systemd=False, init=Unknown("denied", "no")))
    assert found.status is Status.UNKNOWN
