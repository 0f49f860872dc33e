from __future__ import annotations

from dataclasses import replace

import pytest

from preflight.facts.model import Facts, Known, Unknown, known
from preflight.facts.model.network import TimeSync
from preflight.finding import Status
from tests.nodes import hardware, healthy, judge, system


def _with(clock: Known[TimeSync]) -> Facts:
    facts = healthy()
    return replace(facts, network=replace(known(facts.network), time_sync=clock))


@pytest.mark.parametrize(
    ("clock", "status"),
    [
        (TimeSync(True, "chrony", -0.12), Status.PASS),
        (TimeSync(True, "chrony", 1000.0), Status.PASS),
        (TimeSync(True, "chrony", -1000.1), Status.WARN),
        (TimeSync(True, "systemd-timesyncd"), Status.PASS),
        (TimeSync(True, "kernel"), Status.PASS),
        (TimeSync(False, "kernel"), Status.WARN),
        (TimeSync(False, "chrony"), Status.WARN),
        (TimeSync(False, "ntpd"), Status.WARN),
        (Unknown("denied", "no"), Status.UNKNOWN),
    ],
)
def test_somebody_keeps_the_clock(clock: Known[TimeSync], status: Status) -> None:
    (found,) = judge("time-synchronised", _with(clock))
    assert found.status is status
    assert bool(found.remedy) is (status is Status.WARN)


@pytest.mark.parametrize(
    ("os_id", "command"),
    [
        ("debian", "apt-get install -y chrony && systemctl enable --now chrony"),
        ("rocky", "dnf install -y chrony && systemctl enable --now chronyd"),
        ("alpine", "apk add chrony && rc-update add chronyd && rc-service chronyd start"),
        ("flatcar", "timedatectl set-ntp true"),
    ],
)
def test_the_remedy_fits_the_distribution(os_id: str, command: str) -> None:
    facts = replace(_with(TimeSync(False, "kernel")), system=replace(system.healthy(), os_id=os_id))
    (found,) = judge("time-synchronised", facts)
    assert found.remedy == command


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("tsc", Status.PASS),
        ("kvm-clock", Status.PASS),
        ("hyperv_clocksource_tsc_page", Status.PASS),
        ("xen", Status.PASS),
        ("arch_sys_counter", Status.PASS),
        ("timebase", Status.PASS),
        ("tod", Status.PASS),
        ("hpet", Status.WARN),
        ("acpi_pm", Status.WARN),
        ("jiffies", Status.WARN),
        ("refined-jiffies", Status.WARN),
        (Unknown("absent", "not there"), Status.UNKNOWN),
    ],
)
def test_clock_sources(source: Known[str], status: Status) -> None:
    facts = replace(healthy(), hardware=replace(hardware.healthy(), clock_source=source))
    (found,) = judge("clock-source", facts)
    assert found.status is status


def test_a_better_clock_source_is_named_where_there_is_one() -> None:
    base = replace(hardware.healthy(), clock_source="hpet")
    available = replace(base, clock_sources_available=("hpet", "kvm-clock", "acpi_pm"))
    (found,) = judge("clock-source", replace(healthy(), hardware=available))
    assert (
        "; until the next boot: echo kvm-clock > /sys/devices/system/clocksource/" in found.remedy
    )
    none = replace(base, clock_sources_available=("hpet", "acpi_pm"))
    (found,) = judge("clock-source", replace(healthy(), hardware=none))
    assert "dmesg" in found.remedy
