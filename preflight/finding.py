"""The verdict of one check on one subject."""

from __future__ import annotations

from enum import Enum

from rules.record import record


class Status(str, Enum):
    """``unknown``: it could not be determined. ``skip``: it was not to be judged, and why."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIP = "skip"

    def __str__(self) -> str:
        return self.value


class Severity(str, Enum):
    """``error``: a failure makes the node not ready. ``warning``: it does not."""

    ERROR = "error"
    WARNING = "warning"

    def __str__(self) -> str:
        return self.value


@record
class Finding:
    """One row of a report. ``subject`` names what repeats (a port, an interface), else empty.

    ``message`` says what is so, in one line. ``remedy`` is what a person runs. ``fix`` is the id
    that ``nodeprep fix --only`` takes, empty where no program can mend it. ``ignored``: the
    operator said that this failure does not count. ``nodes``: whom it is about, where several
    nodes are compared.
    """

    id: str
    subject: str
    title: str
    status: Status
    severity: Severity
    message: str
    observed: str = ""
    expected: str = ""
    remedy: str = ""
    fix: str = ""
    source: str = ""
    aliases: tuple[str, ...] = ()
    ignored: bool = False
    duration_ms: float = 0.0
    nodes: tuple[str, ...] = ()

    @property
    def needs_doing(self) -> bool:
        """Whether it fails or warns, and nobody said that it does not count."""
        return self.status in (Status.FAIL, Status.WARN) and not self.ignored
