"""How a fix is declared, and what its plan is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from preflight.facts.model import Facts
from preflight.finding import Finding
from preflight.fixes.steps import Effect, Note, State, Step
from preflight.target import Target
from rules.record import field, record


@record
class Options:
    """What only happens when it is asked for.

    ``machine_id``: the new ID; ``host_keys``: path -> text of new SSH host keys; both empty where
    they are not to be made anew. ``hostname`` is empty where the name stays. ``parts``: what a
    part of nodeprep that plans for itself would make of the host, by the kind of resource;
    ``refused``: why it will not.
    """

    hostname: str = ""
    machine_id: str = ""
    host_keys: Mapping[str, str] = field(default_factory=dict)
    install_packages: bool = False
    parts: Mapping[str, State] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@record
class Context:
    """What a plan function gets: the facts, the target, and the findings of its check.

    ``findings`` are those that fail or warn; there may be none where an option asks for the fix.
    """

    id: str
    facts: Facts
    target: Target
    findings: tuple[Finding, ...]
    options: Options

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the findings are about."""
        return tuple(finding.subject for finding in self.findings)


PlanFunction = Callable[[Context], Iterable[Step | Note]]


@record
class Fix:
    """A registered fix. ``asked``: whether the options ask for it without any finding."""

    id: str
    function: PlanFunction
    asked: Callable[[Options], bool]


_REGISTRY: dict[str, Fix] = {}


def fix(
    *ids: str, asked: Callable[[Options], bool] = lambda _options: False
) -> Callable[[PlanFunction], PlanFunction]:
    """Registers the plan of the checks ``ids``: a pure function that yields Steps and Notes.

    Yielding no Step says that no program can mend these findings: their remedies are shown.
    """

    def register(function: PlanFunction) -> PlanFunction:
        for id in ids:
            if id in _REGISTRY:
                raise ValueError(f"the fix of {id!r} is declared twice")
            _REGISTRY[id] = Fix(id, function, asked)
        return function

    return register


def registry() -> dict[str, Fix]:
    """All fixes by the id of their check, in the order in which they are applied."""
    # Imported here: the subjects import this module.
    from preflight import fixes

    fixes.load()
    # A subject may have been imported before its turn.
    turns = {f"preflight.fixes.{name}": turn for turn, name in enumerate(fixes.SUBJECTS)}
    ordered = sorted(_REGISTRY.values(), key=lambda each: turns[each.function.__module__])
    return {each.id: each for each in ordered}


def restart(context: Context, service: str) -> tuple[Effect, ...]:
    """The restart of a service, where systemd runs it."""
    from preflight.facts.model import Unknown

    system = context.facts.system
    runs = not isinstance(system, Unknown) and system.systemd
    return (("systemctl", "restart", service),) if runs else ()
