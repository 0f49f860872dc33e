"""One run of `nodeprep fix`: plan, apply, check again, print, exit code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from preflight.output import check_format, write
from preflight.runs.judging import node_of, phase_of, selection_of, split, target_of
from rules.cluster import Role
from rules.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, UsageError
from rules.record import record
from rules.state import Store

if TYPE_CHECKING:
    from preflight.facts.model import Facts
    from preflight.finding import Finding
    from preflight.fixes.registry import Context, Fix, Options
    from preflight.fixes.steps import Step
    from preflight.report.fix import Outcome
    from preflight.report.model import CheckReport
    from preflight.report.nextstep import NextStep
    from preflight.settings import Settings
    from preflight.target import Target

    Look = Callable[[], tuple[NextStep, ...]]

T = TypeVar("T")


@record
class Request:
    """The flags of `nodeprep fix` as given."""

    role: Role
    only: str
    ignore: str
    skip: str
    dry_run: bool
    diff: bool
    force: bool
    phase: str
    hostname: str
    regenerate_machine_id: bool
    regenerate_ssh_host_keys: bool
    install_packages: bool
    offline: bool
    config: str
    kubeadm_config: str
    kubernetes_version: str
    cni: str
    output: str


def run_fix(request: Request, look: Look | None = None) -> int:
    """Mends what it can and prints what changed; the exit code of the verdict that follows.

    ``look``: says what the commands that come after it would change, and changes nothing.
    """
    from preflight import config
    from preflight.fixes.journal import SUBJECT
    from preflight.report import fix as report
    from preflight.report.model import EXIT_CODES

    check_format(request.output)
    settings = config.load_flags(request)
    judge = _Judge(request, settings, look)
    store = Store(SUBJECT)
    if request.dry_run:
        outcome = _fix(request, judge, store)
    else:
        with store.lock():
            outcome = _fix(request, judge, store)
    write(report.document(outcome), report.lines(outcome, diff=request.diff), request.output)
    if request.dry_run:
        return EXIT_FAILED if outcome.problems else EXIT_DONE
    code = EXIT_CODES[outcome.check.verdict]
    return EXIT_FAILED if outcome.problems and code == EXIT_DONE else code


@record
class Judged:
    """Facts, what the node is to become, the findings of the wanted checks, and what comes next."""

    facts: Facts
    target: Target
    report: CheckReport
    next: tuple[NextStep, ...]


class _Judge:
    """Reads the machine and judges it, as often as it is asked."""

    def __init__(self, request: Request, settings: Settings, look: Look | None) -> None:
        from preflight.checks.registry import registry
        from preflight.engine import find_check

        self.phase = phase_of(request.phase)
        self.request, self.settings, self.look = request, settings, look
        self.checks = tuple(registry().values())
        self.only = tuple(find_check(word, self.checks).id for word in split(request.only))

    def judge(self) -> Judged:
        """Reads and judges. What comes next is looked at meanwhile: a judge waits for the link."""
        from preflight.engine import run_checks
        from preflight.facts.collect import HEAD_START_S, collect
        from preflight.facts.host import Host
        from preflight.report.model import CheckReport
        from preflight.runs.stopwatch import Stopwatch
        from preflight.target import Phase

        watch = Stopwatch()
        host = Host(offline=self.request.offline, probe_ports=self.phase is Phase.BEFORE)
        looked: Look = tuple
        if self.look is not None:
            looked = _beside(self.look, lambda: host.link_asked.wait(HEAD_START_S))
        facts = collect(host, self.settings)
        request, settings = self.request, self.settings
        target = target_of(request.role, self.phase, facts, settings, request)
        selection = selection_of(settings, request.ignore, request.skip)
        findings = run_checks(facts, target, self.checks, selection)
        node = node_of(settings, facts)
        wanted = [each for each in findings if not self.only or each.id in self.only]
        report = CheckReport(node, target, watch.started, watch.ms, tuple(wanted))
        return Judged(facts, target, report, looked())


def _beside(action: Callable[[], T], turn: Callable[[], object]) -> Callable[[], T]:
    """Starts it in a thread when ``turn`` has come; calling the answer waits for it, and raises
    what it raised."""
    from concurrent.futures import Future

    from preflight.facts.collect import start

    future: Future[T] = Future()

    def act() -> None:
        turn()
        try:
            future.set_result(action())
        except BaseException as error:  # noqa: BLE001  (raised where the answer is taken)
            future.set_exception(error)

    start(threading.Thread(target=act, name="next", daemon=True))
    return future.result


def _fix(request: Request, judge: _Judge, store: Store) -> Outcome:
    from preflight.fixes import execute, journal
    from preflight.fixes.changes import change_items, effect_lines
    from preflight.fixes.plan import Plan, make_plan
    from preflight.fixes.registry import registry
    from preflight.report.fix import Outcome
    from preflight.runs.fix_parts import with_parts

    judged = judge.judge()
    for step in judged.next:
        if step.code == EXIT_USAGE:
            raise UsageError(f"--next '{step.command}': {step.error}")
    facts, target, before = judged.facts, judged.target, judged.report
    earlier = journal.journals(store)
    options = _options(request, facts, before.findings, journal.made_here(earlier))
    options = with_parts(options, request, target, before.findings)
    steps, notes = _steps(facts, target, before.findings, options, judge.only, registry())
    plan: Plan = make_plan(
        steps,
        force=request.force,
        unfinished=execute.unfinished(earlier),
        wanted={each.id for each in before.findings if not each.ignored},
    )
    outcome = Outcome(
        request.dry_run,
        plan.changed,
        change_items(plan.entries),
        effect_lines(plan),
        notes,
        plan.problems,
        before,
        judged.next,
    )
    if request.dry_run:
        return outcome
    failed = execute.apply(plan, store, earlier)
    # Nothing was touched: what was just read still stands.
    if plan.changed:
        judged = judge.judge()
    return replace(
        outcome,
        problems=(*plan.problems, *failed),
        check=judged.report,
        next=judged.next,
    )


def _options(
    request: Request, facts: Facts, findings: tuple[Finding, ...], done: frozenset[tuple[str, str]]
) -> Options:
    """What was asked for and was not done here already: a second run changes nothing."""
    from preflight.fixes.registry import Options

    failing = {each.id for each in findings if each.status.value in ("fail", "warn")}
    wants_id = request.regenerate_machine_id and (
        # D-Bus's link to it alone is no new ID.
        "machine-id-unique" in failing or ("file", "machine-id-unique") not in done
    )
    wants_keys = request.regenerate_ssh_host_keys and ("file", "ssh-host-key-unique") not in done
    return Options(
        hostname=_usable(request.hostname, request.role),
        machine_id=_new_machine_id() if wants_id else "",
        host_keys=_new_host_keys(facts, dry_run=request.dry_run) if wants_keys else {},
        install_packages=request.install_packages,
    )


def _usable(name: str, role: Role) -> str:
    from preflight.checks.hostname import is_unset, name_problem

    if name and (problem := name_problem(name, runs_kubelet=role.runs_kubelet)):
        raise UsageError(f"--hostname: {name!r} {problem}")
    if name and is_unset(name):
        raise UsageError(f"--hostname: {name!r} is what a machine without a name is called")
    return name


def _new_machine_id() -> str:
    """32 hexadecimal digits: a random UUID of version 4, as machine-id(5) asks for."""
    from uuid import uuid4

    return uuid4().hex


def _new_host_keys(facts: Facts, *, dry_run: bool) -> dict[str, str]:
    """Path -> text of a new pair for each key that the machine has; a dry run makes none."""
    from preflight.facts.model import Unknown
    from preflight.fixes.hostkeys import new_pair

    if isinstance(facts.identity, Unknown) or isinstance(facts.identity.ssh_host_keys, Unknown):
        return {}
    made: dict[str, str] = {}
    for key in facts.identity.ssh_host_keys:
        private = key.path.removesuffix(".pub")
        if dry_run:
            made |= dict.fromkeys((private, key.path), "a new key\n")
        else:
            made |= new_pair(private, key.type)
    return made


def _steps(
    facts: Facts,
    target: Target,
    findings: tuple[Finding, ...],
    options: Options,
    only: tuple[str, ...],
    fixes: dict[str, Fix],
) -> tuple[list[Step], tuple[str, ...]]:
    """The steps of every fix that has something to do, in the order of the fixes, and the notes."""
    from preflight.facts.model import Undetermined
    from preflight.fixes.registry import Context
    from preflight.fixes.steps import Note

    steps: list[Step] = []
    notes: list[str] = []
    for fix in fixes.values():
        mine = tuple(each for each in findings if each.id == fix.id and each.needs_doing)
        if (only and fix.id not in only) or not (mine or fix.asked(options)):
            continue
        context: Context = Context(fix.id, facts, target, mine, options)
        try:
            for each in fix.function(context):
                if isinstance(each, Note):
                    notes.append(each.text)
                else:
                    steps.append(each)
        except Undetermined as error:
            notes.append(f"{fix.id}: {error}")
    return steps, tuple(dict.fromkeys(notes))
