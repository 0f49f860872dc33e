from __future__ import annotations

from dataclasses import replace

import pytest

from preflight.checks.registry import registry
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.kernel import Cgroups
from preflight.finding import Severity, Status
from preflight.versions.kernel import (
    conntrack_wanted,
    kernel_rule,
    needlessly_asked_options,
    parse_release,
    required_options,
)
from rules.cluster import Role
from rules.version import Version
from tests.checks.kernels import modules, pod_network, verdicts, with_kernel
from tests.nodes import healthy, judge, kernel, system, target

NO_CONFIG = Unknown("absent", "no configuration of kernel 6.1 in /proc/config.gz, /boot or /usr")


def release(text: str) -> Facts:
    return replace(healthy(), system=replace(system.healthy(), kernel_release=text))


def options(**values: str) -> Facts:
    config = known(kernel.healthy().config)
    return with_kernel(
        config=replace(config, options={**config.options, **values}), features={}, modules=()
    )


@pytest.mark.parametrize(
    ("minor", "text", "status", "severity"),
    [
        (24, "3.10.0-1160.el7.x86_64", Status.PASS, Severity.WARNING),
        (31, "3.9.11", Status.FAIL, Severity.ERROR),
        (32, "4.18.0-553.el8_10.x86_64", Status.FAIL, Severity.ERROR),
        (33, "4.19.0-26-amd64", Status.PASS, Severity.WARNING),
        (33, "5.14.0-427.el9.x86_64", Status.PASS, Severity.WARNING),
        (34, "5.14.0-427.el9.x86_64", Status.WARN, Severity.WARNING),
        (34, "4.19.0-26-amd64", Status.WARN, Severity.WARNING),
        (37, "5.4.0-190-generic", Status.PASS, Severity.WARNING),
        (37, "5.10.0-32-amd64", Status.PASS, Severity.WARNING),
        (37, "5.15.0-119-generic", Status.PASS, Severity.WARNING),
        (37, "5.19.0-50-generic", Status.WARN, Severity.WARNING),
        (37, "6.0.0", Status.PASS, Severity.WARNING),
        (37, "6.6.87.2-microsoft-standard-WSL2", Status.PASS, Severity.WARNING),
        (37, "7.1.2", Status.PASS, Severity.WARNING),
        (37, "custom", Status.UNKNOWN, Severity.WARNING),
    ],
)
def test_kernel_version(minor: int, text: str, status: Status, severity: Severity) -> None:
    wanted = target(version=Version(1, minor))
    (found,) = judge("kernel-version", release(text), wanted)
    assert (found.status, found.severity) == (status, severity)


def test_a_vendors_kernel_is_explained() -> None:
    (found,) = judge("kernel-version", release("5.14.0-427.el9.x86_64"))
    assert "its distribution maintains it" in found.message
    assert "--ignore kernel-version" in found.remedy


@pytest.mark.parametrize(
    ("text", "subjects"),
    [("5.10.0-32-amd64", {"", "kube-proxy"}), ("5.15.0-119-generic", {""})],
)
def test_kube_proxys_nftables_mode_wants_5_13(text: str, subjects: set[str]) -> None:
    wanted = target(settings=pod_network("bridge", proxy_mode="nftables"))
    found = judge("kernel-version", release(text), wanted)
    assert {finding.subject for finding in found} == subjects


def test_rules_of_the_validators() -> None:
    assert str(kernel_rule(Version(1, 37, 2))) == "5.4, 5.10, 5.15 or 6.0 and newer"
    assert str(kernel_rule(Version(1, 33))) == "4.19 and newer"
    assert parse_release("6.18.44-fc") == (6, 18)
    assert parse_release("") is None
    assert "CGROUP_CPUACCT" in required_options(1)
    assert "CGROUP_CPUACCT" not in required_options(2)
    assert needlessly_asked_options(Version(1, 33), 2) == (
        "CGROUP_CPUACCT",
        "CGROUP_DEVICE",
        "CGROUP_FREEZER",
    )
    assert needlessly_asked_options(Version(1, 33), 1) == ("CGROUP_BPF",)
    assert needlessly_asked_options(Version(1, 31), 1) == ()
    assert needlessly_asked_options(Version(1, 35), 2) == ()


def test_conntrack_of_kube_proxy() -> None:
    assert conntrack_wanted(Version(1, 35), 2) == 131072
    assert conntrack_wanted(Version(1, 35), 64) == 2097152
    assert conntrack_wanted(Version(1, 36), 64) == 1048576


def test_all_options_are_there() -> None:
    (found,) = judge("kernel-config", healthy())
    assert found.status is Status.PASS
    assert kernel.CONFIG in found.message


def test_each_missing_option_is_named() -> None:
    found = judge("kernel-config", options(CGROUP_BPF="n", MEMCG="n"))
    assert verdicts(found) == {"CGROUP_BPF": "fail", "MEMCG": "fail"}


def test_v1_names_are_not_demanded_on_v2() -> None:
    facts = options(CGROUP_CPUACCT="n", CGROUP_DEVICE="n", CGROUP_FREEZER="n")
    assert verdicts(judge("kernel-config", facts)) == {"": "pass"}
    # kubeadm up to 1.34 refuses such a kernel all the same, which is worth knowing.
    old = judge("kernel-config", facts, target(version=Version(1, 33)))
    assert verdicts(old) == {"": "pass", "kubeadm": "warn"}
    v1 = Cgroups(1, hybrid=False, controllers=())
    facts = replace(facts, kernel=replace(known(facts.kernel), cgroups=v1))
    assert verdicts(judge("kernel-config", facts)) == {
        "CGROUP_CPUACCT": "fail",
        "CGROUP_DEVICE": "fail",
        "CGROUP_FREEZER": "fail",
    }


def test_optional_options_are_a_warning() -> None:
    found = judge("kernel-config", options(CFS_BANDWIDTH="n"))
    assert verdicts(found) == {"": "pass", "CFS_BANDWIDTH": "warn"}


def test_what_works_counts_more_than_a_file() -> None:
    config = known(kernel.healthy().config)
    changed = replace(config, options={**config.options, "MEMCG": "n"})
    assert judge("kernel-config", with_kernel(config=changed))[0].status is Status.PASS


def test_without_a_file_behaviour_decides() -> None:
    features = {
        **kernel.FEATURES,
        "NETFILTER_XT_TARGET_REDIRECT": True,
        "NETFILTER_XT_MATCH_COMMENT": True,
        "CGROUP_BPF": True,
    }
    found = judge("kernel-config", with_kernel(config=NO_CONFIG, features=features))
    assert verdicts(found) == {"": "pass"}
    assert "what works" in found[0].message
    found = judge(
        "kernel-config", with_kernel(config=NO_CONFIG, features={**features, "PID_NS": False})
    )
    assert verdicts(found) == {"PID_NS": "fail"}


def test_modules_tell_where_neither_file_nor_behaviour_does() -> None:
    features = {**kernel.FEATURES, "CGROUP_BPF": True}
    assert verdicts(judge("kernel-config", with_kernel(config=NO_CONFIG, features=features))) == {
        "": "pass"
    }


def test_what_nothing_tells_is_one_unknown_that_names_it() -> None:
    found = judge("kernel-config", with_kernel(config=NO_CONFIG))
    assert [finding.status for finding in found] == [Status.UNKNOWN]
    assert "CGROUP_BPF" in found[0].message
    assert "NET_NS" not in found[0].message


def test_options_of_the_pod_network() -> None:
    wanted = target(settings=pod_network("cilium"))
    found = judge("kernel-config", options(BPF_SYSCALL="n"), wanted)
    assert verdicts(found)["BPF_SYSCALL"] == "fail"
    assert verdicts(judge("kernel-config", options(BPF_SYSCALL="n"))) == {"": "pass"}


def test_a_missing_module_is_named_with_its_package() -> None:
    facts = with_kernel(modules=modules("xt_statistic", state="absent", evidence="no index"))
    assert verdicts(judge("kernel-modules", facts)) == {"xt_statistic": "fail", "": "pass"}
    ubuntu = replace(facts, system=replace(system.healthy(), os_id="ubuntu"))
    found = judge("kernel-modules", ubuntu)[0]
    assert found.remedy.startswith("apt-get install -y linux-modules-extra-$(uname -r)")


def test_an_untold_module_is_unknown_beside_the_others() -> None:
    facts = with_kernel(modules=modules("overlay", state="unknown", evidence="no index"))
    assert verdicts(judge("kernel-modules", facts)) == {"overlay": "unknown", "": "pass"}


def test_a_module_that_may_not_be_loaded() -> None:
    blocked = modules("xt_nat", state="loadable", blocked_by="/etc/modprobe.d/cis.conf")
    (found, _) = judge("kernel-modules", with_kernel(modules=blocked))
    assert (found.subject, found.status) == ("xt_nat", Status.FAIL)
    assert "/etc/modprobe.d/cis.conf" in found.message
    frozen = verdicts(judge("kernel-modules", with_kernel(modules_disabled=True)))
    assert frozen["xt_nat"] == "fail"
    assert "overlay" not in frozen


def test_without_a_modprobe_of_the_kernels_own_first_use_loads_nothing() -> None:
    facts = with_kernel(
        sysctls={**kernel.SYSCTLS, "kernel.modprobe": ""},
        modules=modules("overlay", state="loadable"),
    )
    found = verdicts(judge("kernel-modules", facts))
    assert found["xt_nat"] == "fail"
    # containerd's unit runs modprobe itself.
    assert "overlay" not in found


@pytest.mark.parametrize(
    ("name", "mode", "proxy", "missing"),
    [
        ("flannel", "vxlan", "iptables", "vxlan"),
        ("bridge", "", "ipvs", "ip_vs_wrr"),
        ("bridge", "", "nftables", "nf_tables"),
        ("flannel", "wireguard", "iptables", "wireguard"),
    ],
)
def test_modules_of_pod_network_and_proxy(name: str, mode: str, proxy: str, missing: str) -> None:
    wanted = target(settings=pod_network(name, mode, proxy_mode=proxy))
    facts = with_kernel(modules=modules(missing, state="absent", evidence="no index"))
    assert verdicts(judge("kernel-modules", facts, wanted))[missing] == "fail"
    plain = target(settings=pod_network("ptp"))
    assert verdicts(judge("kernel-modules", facts, plain)) == {"": "pass"}


def test_no_proxy_needs_none_of_its_modules() -> None:
    settings = replace(pod_network("bridge"), proxy_disabled=True)
    facts = with_kernel(modules=modules("xt_nat", state="absent", evidence="no index"))
    assert verdicts(judge("kernel-modules", facts, target(settings=settings))) == {"": "pass"}


@pytest.mark.parametrize(
    "id",
    [
        "kernel-config",
        "kernel-modules",
        "cgroup-version",
        "cgroup-controllers",
        "ip-forward",
        "bridge-nf-call",
        "conntrack-max",
        "inotify-limits",
        "persistent-sysctl",
        "persistent-modules",
        "mount-options",
    ],
)
def test_an_etcd_member_without_kubelet_depends_on_none_of_these(id: str) -> None:
    facts = replace(healthy(), runtime=replace(known(healthy().runtime), kubelet=None))
    (found,) = judge(id, facts, target(Role.ETCD))
    assert found.status is Status.SKIP


def test_an_unread_kernel_makes_every_check_unknown() -> None:
    facts = replace(healthy(), kernel=Unknown("timeout", "reading did not end within 8 s"))
    for id in ("kernel-config", "kernel-modules", "swap-off", "ip-forward", "persistent-swap"):
        (found,) = judge(id, facts)
        assert found.status is Status.UNKNOWN
    assert {"kernel-config", "kernel-modules"} <= registry().keys()
