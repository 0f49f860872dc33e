"""The clock: whether somebody keeps it right, and what it counts by."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from preflight.checks.packages import install_packages, package_manager
from preflight.checks.registry import WARNING, Judgement, check, failed, passed
from preflight.facts.model import Facts, known
from preflight.target import Target

# etcd warns from one second on (server/etcdserver/api/rafthttp/probing_status.go).
MAX_OFFSET_MS = 1000.0
# Clock sources whose reading leaves the processor: microseconds for each time stamp, where the
# others take nanoseconds (https://docs.kernel.org/timers/timekeeping.html).
SLOW_SOURCES = {
    "hpet": "a chip on the board",
    "acpi_pm": "a chip on the board that is read through a port",
    "pit": "the timer chip of 1981",
    "jiffies": "the timer tick, milliseconds coarse",
    "refined-jiffies": "the timer tick, milliseconds coarse",
}
# The better ones that a machine may have and not use, best first.
FAST_SOURCES = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "xen")
CHRONY = dict.fromkeys(("apt", "dnf", "zypper", "apk", "pacman"), "chrony")
CURRENT = "/sys/devices/system/clocksource/clocksource0/current_clocksource"


@check(
    "time-synchronised",
    fix="time-synchronised",
    title="The clock follows a time service",
    why="Certificates and join tokens are refused when clocks differ, and etcd's leases run out "
    "early or late.",
    source="https://etcd.io/docs/v3.6/op-guide/hardware/",
    severity=WARNING,
)
def time_synchronised(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. Units: milliseconds."""
    clock = known(known(facts.network).time_sync)
    offset = clock.offset_ms
    if clock.synchronised and offset is not None and abs(offset) > MAX_OFFSET_MS:
        yield failed(
            f"the clock is {abs(offset):.0f} ms off the time that {clock.source} knows",
            observed=f"{abs(offset):.0f} ms",
            expected=f"<= {MAX_OFFSET_MS:.0f} ms",
            remedy="chronyc makestep",
        )
    elif clock.synchronised:
        distance = "" if offset is None else f", {abs(offset):.3f} ms off"
        yield passed(f"{clock.source} says that the clock is synchronised{distance}")
    elif clock.source == "kernel":
        yield failed(
            "no time service runs here, and the kernel says that nobody keeps the clock (a "
            "hypervisor may set it, and does not say so)",
            remedy=_install_command(facts),
        )
    else:
        yield failed(
            f"{clock.source} runs and has not synchronised the clock yet",
            remedy="let UDP port 123 out to a time server and name one that answers; see: "
            + {"chrony": "chronyc sources", "systemd-timesyncd": "timedatectl timesync-status"}.get(
                clock.source, "ntpq -p"
            ),
        )


def _install_command(facts: Facts) -> str:
    manager, install = package_manager(facts), install_packages(facts, CHRONY, "chrony")
    if manager == "apk":
        return f"{install} && rc-update add chronyd && rc-service chronyd start"
    if manager:
        unit = "chrony" if manager == "apt" else "chronyd"
        return f"{install} && systemctl enable --now {unit}"
    # systemd's own client is the one that needs no package.
    return "timedatectl set-ntp true"


@check(
    "clock-source",
    title="Reading the clock is cheap and steady",
    why="etcd and the API server read the clock for every request. A clock source outside the "
    "processor makes each reading a hundred times dearer, and some are coarse.",
    source="https://docs.kernel.org/timers/timekeeping.html",
    severity=WARNING,
)
def clock_source(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement on the kernel's current clock source."""
    hardware = known(facts.hardware)
    source = known(hardware.clock_source)
    if source not in SLOW_SOURCES:
        yield passed(f"the kernel counts by {source}", observed=source)
        return
    better = [name for name in FAST_SOURCES if name in hardware.clock_sources_available]
    yield failed(
        f"the kernel counts by {source}, {SLOW_SOURCES[source]}",
        observed=source,
        expected=better[0] if better else "tsc, kvm-clock or another of the processor's own",
        remedy=f"put clocksource={quote(better[0])} on the kernel's command line; until the next "
        f"boot: echo {quote(better[0])} > {CURRENT}"
        if better
        else "the kernel found no better one: see `dmesg | grep -i clocksource`, then update the "
        "firmware, or take another clock in the hypervisor's settings for this machine",
    )
