from __future__ import annotations

from dataclasses import replace

import pytest

from preflight.facts.model import Unknown
from preflight.finding import Status
from rules.cluster import Role
from rules.version import Version
from tests.checks.kernels import pod_network, verdicts, with_kernel, with_sysctls
from tests.nodes import hardware, healthy, judge, kernel, target

CONNTRACK = "net.netfilter.nf_conntrack_max"


@pytest.mark.parametrize(
    ("entries", "writable", "status"),
    [
        ("131072", False, Status.PASS),
        ("131071", False, Status.WARN),
        ("131071", True, Status.PASS),
        ("4096", True, Status.PASS),
    ],
)
def test_conntrack_with_kube_proxy(entries: str, writable: bool, status: Status) -> None:
    facts = with_kernel(sysctls={**kernel.SYSCTLS, CONNTRACK: entries}, sysctls_writable=writable)
    (found,) = judge("conntrack-max", facts)
    assert found.status is status


def test_conntrack_grows_with_the_processors() -> None:
    facts = replace(
        with_kernel(sysctls_writable=False), hardware=replace(hardware.healthy(), cpus=16)
    )
    (found,) = judge("conntrack-max", facts)
    assert (found.status, found.expected) == (Status.WARN, ">= 524288")


@pytest.mark.parametrize(("entries", "status"), [("131072", "pass"), ("65536", "warn")])
def test_without_kube_proxy_nobody_raises_it(entries: str, status: str) -> None:
    facts = with_kernel(sysctls={**kernel.SYSCTLS, CONNTRACK: entries})
    settings = replace(pod_network("bridge"), proxy_disabled=True)
    assert verdicts(judge("conntrack-max", facts, target(settings=settings))) == {"": status}


def test_a_higher_value_may_be_lowered() -> None:
    for minor, lowered in ((35, False), (36, True), (37, True)):
        (found,) = judge("conntrack-max", with_kernel(), target(version=Version(1, minor)))
        assert found.status is Status.PASS
        assert ("may lower it" in found.message) is lowered


def test_conntrack_that_is_not_loaded_is_skipped() -> None:
    (found,) = judge("conntrack-max", with_sysctls(net__netfilter__nf_conntrack_max=None))
    assert found.status is Status.SKIP


@pytest.mark.parametrize(
    ("instances", "watches", "wanted"),
    [
        ("1024", "65536", ("pass", "pass")),
        ("1023", "65536", ("warn", "pass")),
        ("1024", "65535", ("pass", "warn")),
        (None, "65536", ("warn", "pass")),
    ],
)
def test_inotify(instances: str | None, watches: str, wanted: tuple[str, str]) -> None:
    facts = with_sysctls(
        fs__inotify__max_user_instances=instances, fs__inotify__max_user_watches=watches
    )
    found = verdicts(judge("inotify-limits", facts))
    assert tuple(found.values()) == wanted


def test_one_refused_limit_does_not_hide_the_other() -> None:
    key = "fs.inotify.max_user_instances"
    facts = with_kernel(
        sysctls={**kernel.SYSCTLS, "fs.inotify.max_user_watches": "8192"}, sysctls_denied=(key,)
    )
    assert list(verdicts(judge("inotify-limits", facts)).values()) == ["unknown", "warn"]


@pytest.mark.parametrize(
    ("hard", "status"), [(65535, "warn"), (65536, "pass"), (524288, "pass"), (-1, "pass")]
)
@pytest.mark.parametrize("role", list(Role))
def test_open_files(hard: int, status: str, role: Role) -> None:
    facts = with_kernel(open_files_limit=(1024, hard))
    assert verdicts(judge("open-files-limit", facts, target(role))) == {"services": status}


@pytest.mark.parametrize(("soft", "wanted"), [(1024, "1024:524288"), (32768, "32768:524288")])
def test_a_soft_limit_that_somebody_raised_stays(soft: int, wanted: str) -> None:
    facts = with_kernel(open_files_limit=(soft, 40000))
    assert f"DefaultLimitNOFILE={wanted}\\n" in judge("open-files-limit", facts)[0].remedy


def test_the_kernels_own_limit_and_other_init_systems() -> None:
    facts = with_kernel(
        sysctls={**kernel.SYSCTLS, "fs.nr_open": "4096"},
        open_files_limit=(1024, 4096),
        boot_applier="openrc",
    )
    found = judge("open-files-limit", facts)
    assert verdicts(found) == {"fs.nr_open": "warn", "services": "warn"}
    assert "system.conf.d" not in found[1].remedy
    unknown = with_kernel(open_files_limit=Unknown("failed", "no answer"))
    assert judge("open-files-limit", unknown)[0].status is Status.UNKNOWN


def test_a_setting_that_is_no_number_is_unknown() -> None:
    odd = {
        "net.netfilter.nf_conntrack_max": "many",
        "fs.nr_open": "",
        "fs.inotify.max_user_watches": "x",
    }
    node = replace(
        healthy(), kernel=replace(kernel.healthy(), sysctls={**kernel.healthy().sysctls, **odd})
    )
    for id in ("conntrack-max", "inotify-limits", "open-files-limit"):
        found = judge(id, node)
        assert any(one.status is Status.UNKNOWN and "no number" in one.message for one in found), id
