"""A proof that pods can network: steps, causes, verdict. Pure values."""

from __future__ import annotations

from rules.errors import EXIT_DONE, EXIT_FAILED, EXIT_UNDETERMINED, NodeprepError
from rules.record import record


class StepFailed(NodeprepError):
    """A step of a proof did not hold, and why."""

    exit_code = EXIT_FAILED


@record
class Step:
    """One thing that was tried. ``ok`` None: it cannot be told, and ``detail`` says why."""

    name: str
    ok: bool | None
    detail: str
    duration_ms: float


@record
class Cause:
    """A likely reason of a failure: a stable word, a sentence, and what a person runs."""

    name: str
    message: str
    remedy: str


@record
class Proof:
    """``via``: plugins or containerd. ``scratch``: in a private copy of the host's network."""

    via: str
    network: str
    conf: str
    scratch: bool
    steps: tuple[Step, ...]
    causes: tuple[Cause, ...]
    duration_ms: float

    @property
    def proven(self) -> bool:
        """Every step was taken and went well."""
        return bool(self.steps) and all(step.ok is True for step in self.steps)

    @property
    def exit_code(self) -> int:
        """As the contract has it: proven, failed, undetermined."""
        if any(step.ok is False for step in self.steps):
            return EXIT_FAILED
        return EXIT_DONE if self.proven else EXIT_UNDETERMINED
