"""Limits that a node with many pods runs into: connection tracking, inotify, open files."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.registry import (
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
)
from preflight.checks.remedies import set_sysctl
from preflight.facts.model import Facts, Unknown, known, known_or
from preflight.facts.model.kernel import Kernel
from preflight.target import Target
from preflight.versions.kernel import (
    CONNTRACK_LOWERED_BY,
    CONNTRACK_MINIMUM,
    conntrack_wanted,
)

CONNTRACK_KEY = "net.netfilter.nf_conntrack_max"
# The host preflight of replicatedhq/embedded-cluster fails below these; the kernel's own default
# of 128 instances is used up by kubelet, runtime and a few dozen pods of one user.
INOTIFY_MINIMUM = {
    "fs.inotify.max_user_instances": 1024,
    "fs.inotify.max_user_watches": 65536,
}
# k0s warns below this RLIMIT_NOFILE (https://docs.k0sproject.io/stable/system-requirements/).
OPEN_FILES_MINIMUM = 65536
# What systemd gives services (the soft limit is what programs that use select() can bear), and the
# kernel's own default of fs.nr_open.
OPEN_FILES_SOFT, OPEN_FILES_HARD = 1024, 524288
OPEN_FILES_KERNEL = 1048576
UNLIMITED = -1


@check(
    "conntrack-max",
    fix="conntrack-max",
    title="The connection tracking table is large enough",
    why="When the table is full the kernel drops new connections. kube-proxy raises it to 32768 "
    "for each processor, at least 131072 (from 1.36 at most 1048576), where it may write "
    "/proc/sys; without kube-proxy nobody does.",
    source="https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/",
    severity=WARNING,
    applies="Where the kernel tracks connections; not to an external etcd member.",
)
def conntrack_max(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. Units: entries of the table."""
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
        return
    kernel = known(facts.kernel)
    now = known(kernel.number(CONNTRACK_KEY))
    if now is None:
        yield skipped("connection tracking is not loaded yet")
        return
    proxy = scope.runs_proxy(target)
    wanted = wanted_connections(facts, target)
    if now >= wanted:
        lowered = proxy and now > wanted and target.version.release in CONNTRACK_LOWERED_BY
        note = f"; kube-proxy {target.version} may lower it to {wanted}" if lowered else ""
        yield passed(f"room for {now} connections{note}", observed=str(now))
    elif proxy and kernel.sysctls_writable:
        yield passed(
            f"room for {now} connections, which kube-proxy raises to {wanted} when it starts",
            observed=str(now),
        )
    else:
        why = (
            "/proc/sys is read-only, so kube-proxy cannot raise it" if proxy else "nobody raises it"
        )
        yield failed(
            f"room for {now} connections, {wanted} are wanted, and {why}",
            observed=str(now),
            expected=f">= {wanted}",
            remedy=set_sysctl((CONNTRACK_KEY, str(wanted))),
        )


def wanted_connections(facts: Facts, target: Target) -> int:
    """The size of the table that kube-proxy asks for, else its least. Units: entries."""
    if not scope.runs_proxy(target):
        return CONNTRACK_MINIMUM
    cpus = 1 if isinstance(facts.hardware, Unknown) else known_or(facts.hardware.cpus, 1)
    return conntrack_wanted(target.version, cpus)


@check(
    "inotify-limits",
    fix="inotify-limits",
    title="Enough inotify instances and watches",
    why="kubelet, runtime and many pods follow files by inotify, all as one user; at the limit "
    "they fail with 'too many open files' or 'no space left on device'.",
    source="https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files",
    severity=WARNING,
    applies="Not to an external etcd member.",
)
def inotify_limits(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each of two limits."""
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
        return
    kernel = known(facts.kernel)
    for key, minimum in INOTIFY_MINIMUM.items():
        value = kernel.number(key)
        if isinstance(value, Unknown):
            yield undetermined(value.message, subject=key)
        elif value is None:
            yield failed(
                f"this kernel has no {key}, so nothing can follow files",
                subject=key,
                expected=f">= {minimum}",
                remedy="boot a kernel that is built with CONFIG_INOTIFY_USER",
            )
        elif value < minimum:
            yield failed(
                f"{key} is {value}, and a node wants {minimum}",
                subject=key,
                observed=str(value),
                expected=f">= {minimum}",
                remedy=set_sysctl((key, str(minimum))),
            )
        else:
            yield passed(f"{key} is {value}", subject=key, observed=str(value))


@check(
    "open-files-limit",
    fix="open-files-limit",
    title="Services may open enough files",
    why="etcd, API server and runtime hold a file for each connection and each container; a hard "
    "limit below 65536 stops them under load.",
    source="https://docs.k0sproject.io/stable/system-requirements/",
    severity=WARNING,
)
def open_files_limit(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement of the services' hard limit, one of the kernel's where that is low."""
    kernel = known(facts.kernel)
    yield from _nr_open(kernel)
    _, hard = known(kernel.open_files_limit)
    if hard == UNLIMITED or hard >= OPEN_FILES_MINIMUM:
        seen = "no limit" if hard == UNLIMITED else str(hard)
        yield passed(f"services may open {seen} files each", subject="services", observed=seen)
        return
    # Without systemd nobody says what services get: what this run inherited is the next best.
    source = "" if kernel.boot_applier == "systemd" else ", going by this session"
    yield failed(
        f"services may open {hard} files each{source}, and {OPEN_FILES_MINIMUM} are wanted",
        subject="services",
        observed=str(hard),
        expected=f">= {OPEN_FILES_MINIMUM}",
        remedy=_raise_limit(kernel),
    )


def _nr_open(kernel: Kernel) -> Iterator[Judgement]:
    key = "fs.nr_open"
    value = kernel.number(key)
    if isinstance(value, Unknown):
        yield undetermined(value.message, subject=key)
    elif value is not None and value < OPEN_FILES_MINIMUM:
        yield failed(
            f"{key} is {value}, and no process can have a higher limit",
            subject=key,
            observed=str(value),
            expected=f">= {OPEN_FILES_MINIMUM}",
            remedy=set_sysctl((key, str(OPEN_FILES_KERNEL))),
        )


def _raise_limit(kernel: Kernel) -> str:
    if kernel.boot_applier == "systemd":
        return (
            "mkdir -p /etc/systemd/system.conf.d && printf '[Manager]\\nDefaultLimitNOFILE="
            f"{wanted_open_files(kernel)}\\n' > /etc/systemd/system.conf.d/zzz-open-files.conf "
            "&& systemctl daemon-reexec"
        )
    return f"start containerd, kubelet and etcd with: ulimit -Hn {OPEN_FILES_HARD}"


def wanted_open_files(kernel: Kernel) -> str:
    """``SOFT:HARD`` for systemd's DefaultLimitNOFILE. A soft limit that somebody raised stays."""
    soft, _ = known(kernel.open_files_limit)
    return f"{max(soft, OPEN_FILES_SOFT)}:{OPEN_FILES_HARD}"
