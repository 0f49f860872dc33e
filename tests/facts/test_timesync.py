from __future__ import annotations

from pathlib import Path

import pytest

from preflight.facts import timesync
from preflight.facts.host import Host, Unit
from preflight.facts.model import Known, Unknown
from preflight.facts.model.network import TimeSync
from preflight.facts.timesync import (
    active_service,
    collect_time_sync,
    kernel_synchronised,
    parse_chrony_tracking,
)

# chronyd 4.3 before it found a source, and with `local stratum 8`.
CHRONY_WAITING = (
    "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,"
    "1.000000000,0.0,Not synchronised\n"
)
CHRONY_LOCAL = (
    "7F7F0101,,8,1795469254.599120877,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,"
    "0.000000000,0.000000000,0.0,Normal\n"
)
CHRONY_SYNCHRONISED = (
    "A29FC87B,162.159.200.123,4,1589188065.417021811,-0.000123456,-0.000018000,0.000123000,3.141,"
    "-0.002,0.021,0.012345678,0.000987654,1031.7,Normal\n"
)
RUNS = Unit("loaded", "active", "enabled")
STOPPED = Unit("loaded", "inactive", "disabled")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CHRONY_SYNCHRONISED, TimeSync(True, "chrony", -0.123456)),
        (
            CHRONY_SYNCHRONISED.replace("Normal", "Insert second"),
            TimeSync(True, "chrony", -0.123456),
        ),
        (CHRONY_LOCAL, TimeSync(True, "chrony", 0.0)),
        (CHRONY_WAITING, TimeSync(False, "chrony", None)),
        ("506 Cannot talk to daemon\n", None),
        ("", None),
        (CHRONY_LOCAL.replace("0.000000000", "x"), None),
    ],
)
def test_what_chrony_tells(text: str, expected: TimeSync | None) -> None:
    assert parse_chrony_tracking(text) == expected


@pytest.mark.parametrize(
    ("units", "service"),
    [
        ({"chrony.service": RUNS}, "chrony"),
        ({"chronyd.service": RUNS, "systemd-timesyncd.service": RUNS}, "chrony"),
        ({"chronyd.service": STOPPED, "systemd-timesyncd.service": RUNS}, "systemd-timesyncd"),
        ({"ntpsec.service": RUNS}, "ntpd"),
        ({"ntpd.service": RUNS}, "ntpd"),
        ({"ntp.service": STOPPED}, ""),
        (Unknown("absent", "systemd does not run here"), ""),
    ],
)
def test_the_service_that_runs(units: Known[dict[str, Unit]], service: str) -> None:
    assert active_service(units) == service


class _Host(Host):
    def __init__(self, units: Known[dict[str, Unit]]) -> None:
        super().__init__(offline=True)
        self._answer = units

    def units(self) -> Known[dict[str, Unit]]:
        return self._answer


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(timesync, "TIMESYNCD_MARK", str(tmp_path / "synchronized"))
    monkeypatch.setattr(timesync, "CHRONY_SOCKETS", ())
    # A service that answers nothing must not reach a real chronyd of the test machine.
    monkeypatch.setattr(timesync, "_read_tracking", lambda _answer: None)


@pytest.mark.parametrize(
    ("units", "kernel", "expected"),
    [
        ({}, True, TimeSync(True, "kernel")),
        ({}, False, TimeSync(False, "kernel")),
        ({"ntpd.service": RUNS}, True, TimeSync(True, "ntpd")),
        ({"systemd-timesyncd.service": RUNS}, False, TimeSync(False, "systemd-timesyncd")),
        ({"chrony.service": RUNS}, True, TimeSync(True, "chrony")),
        ({}, Unknown("denied", "no"), Unknown("denied", "no")),
    ],
)
def test_the_kernel_decides_where_no_service_tells(
    units: dict[str, Unit],
    kernel: Known[bool],
    expected: Known[TimeSync],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timesync, "kernel_synchronised", lambda: kernel)
    assert collect_time_sync(_Host(units)) == expected


def test_timesyncd_leaves_a_mark_when_it_is_done(tmp_path: Path) -> None:
    (tmp_path / "synchronized").touch()
    told = collect_time_sync(_Host({"systemd-timesyncd.service": RUNS}))
    assert told == TimeSync(True, "systemd-timesyncd")


def test_the_kernel_answers_on_this_machine() -> None:
    assert isinstance(kernel_synchronised(), (bool, Unknown))
