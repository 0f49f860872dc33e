"""What would be done in a cloud, and how it is done: the same for every cloud."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from rules.backend import Change
from rules.cloud.document import Usage
from rules.cloudapply.failure import CloudError, Interrupted, Raced
from rules.cloudapply.refused import Refused
from rules.record import record

# A cloud becomes consistent in seconds, and other writers may come between: so often it is read
# anew.
ROUNDS = 5
PAUSE_S = 0.5


@record
class Plan:
    """What would be done. ``foreign``: rules of others in our groups, ``leftovers``: groups of
    ours that no role needs, both left; ``warnings``: what a person must do or know. ``steps``:
    what one call each does, in order, with a ``label`` for a person once it is done.
    """

    digest: str
    steps: tuple[Any, ...]
    changes: tuple[Change, ...]
    usage: tuple[Usage, ...]
    foreign: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.steps)


@record
class Outcome:
    """``plan``: what there was to do. ``after``: the plan of what was read back, without steps.
    ``done``: what was done, in order.
    """

    plan: Plan
    after: Plan
    done: tuple[str, ...]


class Driver(Protocol):
    """One cloud. ``title`` names it in errors."""

    title: str

    def read(self) -> Any:
        """What is there now. Raises CloudError and UsageError."""

    def plan(self, state: Any) -> Plan:
        """What differs from what is wanted, in the order of its steps. Raises Refused."""

    def writer(self, state: Any) -> Callable[[Any], None]:
        """What carries out one step of the plan of that state. Raises CloudError, Raced."""


def make_plan(driver: Driver) -> Plan:
    """What apply would do; writes nothing. Raises CloudError, UsageError and Refused."""
    return driver.plan(driver.read())


def apply(
    driver: Driver,
    tell: Callable[[str], None] = lambda _: None,
    show: Callable[[Plan], None] = lambda _: None,
) -> Outcome:
    """Does it, and reads back that it is so. ``show`` gets the plan before anything is written,
    ``tell`` hears of every step that is done.

    Raises Refused before anything was written, and CloudError where it stopped half-way: its line
    says what was done by then. The next run goes on from there.
    """
    done: list[str] = []
    first: Plan | None = None
    raced: Raced | None = None
    try:
        for number in range(ROUNDS):
            if number > 1:
                time.sleep(PAUSE_S * number)
            state = driver.read()
            plan = driver.plan(state)
            if first is None:
                first = plan
                show(plan)
            if not plan.steps:
                return Outcome(first, plan, tuple(done))
            carry_out = driver.writer(state)
            raced = Raced(f"read back, {plan.changes[0].object} is not what was written")
            try:
                for step in plan.steps:
                    carry_out(step)
                    done.append(step.label)
                    tell(step.label)
            except Raced as error:
                raced = error
        raced = raced or Raced(f"{driver.title} was not read")
        raise raced
    except (CloudError, Refused) as error:
        if isinstance(error, Refused) and not done:
            raise
        raise CloudError(f"{error}; {_so_far(done)}") from error
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {_so_far(done)}") from None


def _so_far(done: list[str]) -> str:
    """What is said of a run that stopped half-way. The call that was under way may be done too."""
    return f"done before that: {', '.join(done) or 'nothing'}; the same command goes on from there"
