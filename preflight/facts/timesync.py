"""Whether the clock follows a reference: asked of the time service, else of the kernel."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping

from preflight.facts.host import Host, Unit
from preflight.facts.model import Known, Unknown
from preflight.facts.model.network import TimeSync
from rules.run import Output

CHRONY_UNITS = ("chrony.service", "chronyd.service")
NTPD_UNITS = ("ntp.service", "ntpd.service", "ntpsec.service")
TIMESYNCD_UNIT = "systemd-timesyncd.service"
# Where chronyd leaves its socket, for machines whose init is not systemd.
CHRONY_SOCKETS = ("/run/chrony/chronyd.sock", "/var/run/chrony/chronyd.sock")
# systemd-timesyncd touches it at every adjustment (systemd-timesyncd.service(8)).
TIMESYNCD_MARK = "/run/systemd/timesync/synchronized"
# Source: adjtimex(2); the state TIME_ERROR and the flag STA_UNSYNC both mean "not synchronised".
STA_UNSYNC = 0x0040
TIME_ERROR = 5
_CHRONY_FIELDS = 14


def parse_chrony_tracking(text: str) -> TimeSync | None:
    """``chronyc -c tracking``: 14 comma-separated fields; None where the text is another.

    Field 5 is the distance of the system clock from NTP time in seconds, field 14 the leap
    status, ``Not synchronised`` until a source was selected (chronyc(1)).
    """
    fields = text.strip().split(",")
    if len(fields) != _CHRONY_FIELDS:
        return None
    try:
        offset_ms = float(fields[4]) * 1000
    except ValueError:
        return None
    synchronised = fields[13] != "Not synchronised"
    return TimeSync(synchronised, "chrony", round(offset_ms, 6) if synchronised else None)


def active_service(units: Known[Mapping[str, Unit]]) -> str:
    """The time service that runs: ``chrony``, ``systemd-timesyncd``, ``ntpd``, or empty."""
    if isinstance(units, Unknown):
        return ""

    def active(*names: str) -> bool:
        return any(name in units and units[name].active == "active" for name in names)

    if active(*CHRONY_UNITS):
        return "chrony"
    if active(TIMESYNCD_UNIT):
        return "systemd-timesyncd"
    return "ntpd" if active(*NTPD_UNITS) else ""


def idle_services(units: Known[Mapping[str, Unit]]) -> tuple[str, ...]:
    """The units of time services that systemd could start."""
    if isinstance(units, Unknown):
        return ()
    every = (*CHRONY_UNITS, TIMESYNCD_UNIT, *NTPD_UNITS)
    return tuple(name for name in every if name in units and units[name].load == "loaded")


def kernel_synchronised() -> Known[bool]:
    """What the kernel's clock discipline says; every time service keeps this flag.

    It needs no privilege. The kernel takes the flag back by itself when nobody has corrected the
    clock for so long that it may be 16 s off.
    """
    import ctypes

    # struct timex begins with modes (int), four longs and status (int); 256 bytes hold it all.
    class Head(ctypes.Structure):
        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("frequency", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("esterror", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_char * 256),
        )

    head = Head()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(head))
    except (OSError, AttributeError) as error:
        return Unknown("failed", f"the C library has no adjtimex: {error}")
    if state < 0:
        number = ctypes.get_errno()
        reason = "denied" if number in (errno.EPERM, errno.EACCES) else "failed"
        return Unknown(reason, f"the kernel does not tell its clock state: {os.strerror(number)}")
    return state != TIME_ERROR and not head.status & STA_UNSYNC


def collect_time_sync(host: Host) -> Known[TimeSync]:
    """Clock state. No packet leaves the machine: chronyd is asked through its socket on it.

    The kernel decides where the service does not say, so that PTP, OpenRC, and any service that
    nodeprep does not know count too. ``source`` is then ``kernel`` or the service that runs.
    """
    service = active_service(host.units())
    if not service and any(os.path.exists(path) for path in CHRONY_SOCKETS):
        service = "chrony"
    if service == "chrony":
        told = _read_tracking(host.start(["chronyc", "-c", "-n", "tracking"]))
        if told is not None:
            return told
    if service == "systemd-timesyncd" and os.path.exists(TIMESYNCD_MARK):
        return TimeSync(True, service)
    synchronised = kernel_synchronised()
    if isinstance(synchronised, Unknown):
        return synchronised
    idle = () if service else idle_services(host.units())
    return TimeSync(synchronised, service or "kernel", installed=idle)


def _read_tracking(answer: Callable[[], Known[Output]]) -> TimeSync | None:
    output = answer()
    return None if isinstance(output, Unknown) else parse_chrony_tracking(output.stdout)
