from __future__ import annotations

from dataclasses import replace

import pytest

from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.kernel import Cgroups, SwapArea
from preflight.finding import Status
from preflight.settings import KubeletSettings, Settings
from rules.cluster import Role
from rules.version import Version
from tests.checks.kernels import verdicts, with_kernel
from tests.nodes import healthy, judge, runtime, system, target

V1 = Cgroups(
    1,
    hybrid=False,
    controllers=("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"),
)
SWAP = (SwapArea("/swap.img", "file", 2 * 1024**3),)


def with_kubelet(facts: Facts, **values: object) -> Facts:
    kubelet = replace(runtime.kubelet(), **values)  # type: ignore[arg-type]
    return replace(facts, runtime=replace(known(facts.runtime), kubelet=kubelet))


@pytest.mark.parametrize(
    ("installed", "status"),
    [
        ("v1.30.4", Status.PASS),
        ("v1.31.0", Status.WARN),
        ("v1.34.9", Status.WARN),
        ("v1.35.0", Status.FAIL),
        # Pre-releases of 1.35 refuse it too.
        ("v1.35.0-rc.1", Status.FAIL),
        ("v1.37.0", Status.FAIL),
    ],
)
def test_v1_depends_on_the_kubelet_of_the_node(installed: str, status: Status) -> None:
    facts = with_kubelet(with_kernel(cgroups=V1), version=installed)
    (found,) = judge("cgroup-version", facts, target(version=Version(1, 37)))
    assert found.status is status


def test_without_a_kubelet_the_wanted_version_counts() -> None:
    facts = with_kernel(cgroups=V1)
    facts = replace(facts, runtime=replace(known(facts.runtime), kubelet=None))
    for minor, status in ((30, Status.PASS), (34, Status.WARN), (35, Status.FAIL)):
        (found,) = judge("cgroup-version", facts, target(version=Version(1, minor)))
        assert found.status is status


@pytest.mark.parametrize(
    ("configured", "found_on_node", "status"),
    [
        (None, None, Status.FAIL),
        (False, None, Status.WARN),
        (None, False, Status.WARN),
        (True, False, Status.FAIL),
    ],
)
def test_fail_cgroup_v1(
    configured: bool | None, found_on_node: bool | None, status: Status
) -> None:
    facts = with_kubelet(with_kernel(cgroups=V1), fail_cgroup_v1=found_on_node)
    settings = Settings(kubelet=KubeletSettings(fail_cgroup_v1=configured))
    (found,) = judge("cgroup-version", facts, target(settings=settings))
    assert found.status is status


def test_a_kubelet_that_is_told_to_refuse_v1_does() -> None:
    settings = Settings(kubelet=KubeletSettings(fail_cgroup_v1=True))
    facts = with_kubelet(with_kernel(cgroups=V1), version="v1.32.0")
    (found,) = judge("cgroup-version", facts, target(settings=settings))
    assert found.status is Status.FAIL


@pytest.mark.parametrize(
    ("os_id", "word"),
    [("rocky", "grubby"), ("ubuntu", "update-grub"), ("arch", "command line")],
)
def test_the_way_to_v2_is_the_distributions(os_id: str, word: str) -> None:
    facts = replace(
        with_kernel(cgroups=replace(V1, hybrid=True)),
        system=replace(system.healthy(), os_id=os_id),
    )
    (found,) = judge("cgroup-version", facts)
    assert word in found.remedy
    assert "beside it" in found.message


def test_unmounted_groups_are_unknown() -> None:
    facts = with_kernel(cgroups=Unknown("absent", "no control groups are mounted"))
    assert judge("cgroup-version", facts)[0].status is Status.UNKNOWN
    assert judge("cgroup-controllers", facts)[0].status is Status.UNKNOWN


def test_each_missing_controller_is_named() -> None:
    missing = Cgroups(2, hybrid=False, controllers=("cpu", "io", "pids"), disabled=("memory",))
    found = judge("cgroup-controllers", with_kernel(cgroups=missing))
    assert verdicts(found) == {"cpuset": "fail", "freezer": "fail", "memory": "fail"}
    memory = next(finding for finding in found if finding.subject == "memory")
    assert "command line" in memory.message
    assert "cgroup_enable=memory" in memory.remedy


def test_v1_asks_for_more_controllers() -> None:
    few = replace(V1, controllers=("cpu", "cpuset", "freezer", "memory", "pids"))
    found = judge("cgroup-controllers", with_kernel(cgroups=few))
    assert verdicts(found) == {"cpuacct": "fail", "devices": "fail"}


@pytest.mark.parametrize(
    ("settings", "on_node", "status"),
    [
        (KubeletSettings(), None, Status.FAIL),
        (KubeletSettings(fail_swap_on=True), False, Status.FAIL),
        (KubeletSettings(fail_swap_on=False), None, Status.PASS),
        (KubeletSettings(), False, Status.PASS),
        (KubeletSettings(fail_swap_on=False, swap_behavior="LimitedSwap"), None, Status.PASS),
        (KubeletSettings(fail_swap_on=False, swap_behavior="UnlimitedSwap"), None, Status.FAIL),
    ],
)
def test_swap(settings: KubeletSettings, on_node: bool | None, status: Status) -> None:
    facts = with_kubelet(with_kernel(swaps=SWAP), fail_swap_on=on_node)
    (found,) = judge("swap-off", facts, target(settings=Settings(kubelet=settings)))
    assert found.status is status
    assert "2048 MiB" in found.message


def test_limited_swap_wants_v2_groups() -> None:
    settings = Settings(kubelet=KubeletSettings(fail_swap_on=False, swap_behavior="LimitedSwap"))
    facts = with_kernel(swaps=SWAP, cgroups=V1)
    (found,) = judge("swap-off", facts, target(settings=settings))
    assert found.status is Status.FAIL
    assert "cgroup v2" in found.message
    (older,) = judge("swap-off", with_kubelet(facts, version="v1.28.0"), target(settings=settings))
    assert older.status is Status.PASS


def test_a_kubelet_that_cannot_be_read_may_tolerate_swap() -> None:
    facts = with_kernel(swaps=SWAP)
    unread = replace(facts, runtime=Unknown("timeout", "late"))
    assert judge("swap-off", unread)[0].status is Status.UNKNOWN
    denied = Unknown("denied", "/var/lib/kubelet/config.yaml may not be read")
    assert judge("swap-off", with_kubelet(facts, config_unknown=denied))[0].status is (
        Status.UNKNOWN
    )
    # Without swap the kubelet does not matter.
    assert judge("swap-off", replace(unread, kernel=healthy().kernel))[0].status is Status.PASS


def test_swap_below_a_lone_etcd_member_is_a_warning() -> None:
    facts = with_kernel(swaps=SWAP)
    facts = replace(facts, runtime=replace(known(facts.runtime), kubelet=None))
    (found,) = judge("swap-off", facts, target(Role.ETCD))
    assert found.status is Status.WARN
