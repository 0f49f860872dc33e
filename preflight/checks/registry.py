"""How a check is declared, and the judgements that it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from preflight.facts.model import Facts
from preflight.finding import Severity, Status
from preflight.target import Phase, Target
from rules.cluster import Role
from rules.record import record

ERROR, WARNING = Severity.ERROR, Severity.WARNING
EVERY_ROLE = frozenset(Role)
CONTROL_PLANE = frozenset({Role.MASTER, Role.MULTI_MASTER})
KUBELET_ROLES = frozenset({Role.MASTER, Role.MULTI_MASTER, Role.WORKER})
ETCD_ROLES = frozenset({Role.MASTER, Role.MULTI_MASTER, Role.ETCD})
WORKER = frozenset({Role.WORKER})
BOTH_PHASES = frozenset(Phase)
BEFORE = frozenset({Phase.BEFORE})
AFTER = frozenset({Phase.AFTER})


@record
class Judgement:
    """What a check says about one subject, before the engine adds id, title and severity.

    ``severity`` only where this one differs from the check's. ``alias`` only where kubeadm's
    name depends on the subject (``Port-6443``). ``nodes``: whom it is about, where cards are
    compared.
    """

    status: Status
    message: str
    subject: str = ""
    observed: str = ""
    expected: str = ""
    remedy: str = ""
    severity: Severity | None = None
    alias: str = ""
    nodes: tuple[str, ...] = ()


def passed(message: str, *, subject: str = "", observed: str = "", alias: str = "") -> Judgement:
    """It holds. ``message`` says what was seen, not only that it is fine."""
    return Judgement(Status.PASS, message, subject, observed, alias=alias)


def failed(
    message: str,
    *,
    remedy: str,
    subject: str = "",
    observed: str = "",
    expected: str = "",
    severity: Severity | None = None,
    alias: str = "",
    nodes: tuple[str, ...] = (),
) -> Judgement:
    """It does not hold: ``fail`` for an error check, ``warn`` for a warning check.

    ``remedy`` is the exact command, or what to do where no command can.
    """
    return Judgement(
        Status.FAIL, message, subject, observed, expected, remedy, severity, alias, nodes
    )


def warned(
    message: str,
    *,
    remedy: str,
    subject: str = "",
    observed: str = "",
    expected: str = "",
    alias: str = "",
    nodes: tuple[str, ...] = (),
) -> Judgement:
    """Not a failure, yet worth knowing, within an error check."""
    return Judgement(
        Status.WARN, message, subject, observed, expected, remedy, Severity.WARNING, alias, nodes
    )


def undetermined(
    message: str,
    *,
    subject: str = "",
    remedy: str = "",
    alias: str = "",
    nodes: tuple[str, ...] = (),
) -> Judgement:
    """It could not be told, and why."""
    return Judgement(Status.UNKNOWN, message, subject, remedy=remedy, alias=alias, nodes=nodes)


def skipped(message: str, *, subject: str = "") -> Judgement:
    """It is not to be judged here, and why."""
    return Judgement(Status.SKIP, message, subject)


CheckFunction = Callable[[Facts, Target], Iterable[Judgement]]


@record
class Check:
    """A registered check. ``why`` and ``source`` are what ``nodeprep explain`` prints.

    ``aliases`` are kubeadm's names; one that ends in ``*`` matches by prefix (``Port-*``).
    ``needs_root``: without root the facts behind it may be unknown (said by ``explain``).
    ``deep``: only runs with ``--deep``.
    """

    id: str
    title: str
    why: str
    source: str
    severity: Severity
    roles: frozenset[Role]
    phases: frozenset[Phase]
    aliases: tuple[str, ...]
    applies: str
    fix: str
    deep: bool
    function: CheckFunction


_REGISTRY: dict[str, Check] = {}


def check(
    id: str,
    *,
    title: str,
    why: str,
    source: str,
    severity: Severity = ERROR,
    roles: frozenset[Role] = EVERY_ROLE,
    phases: frozenset[Phase] = BOTH_PHASES,
    aliases: tuple[str, ...] = (),
    applies: str = "",
    fix: str = "",
    deep: bool = False,
) -> Callable[[CheckFunction], CheckFunction]:
    """Registers a check under a stable id.

    The function gets (Facts, Target), does no I/O and yields Judgements: one for each subject,
    or none where it has nothing to judge (it is then not in the report). It may call ``known()``
    on a fact: where that fact is unknown, the engine makes the unknown finding of it.
    """

    def register(function: CheckFunction) -> CheckFunction:
        if id in _REGISTRY:
            raise ValueError(f"check id {id!r} is declared twice")
        _REGISTRY[id] = Check(
            id, title, why, source, severity, roles, phases, aliases, applies, fix, deep, function
        )
        return function

    return register


def registry() -> dict[str, Check]:
    """All checks by id, in the order in which the subjects of ``preflight.checks`` declare them."""
    # Imported here: the subjects import this module.
    from preflight import checks

    checks.load()
    return _REGISTRY
