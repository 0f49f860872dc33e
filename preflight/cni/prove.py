"""Proving a pod network with two throw-away pods, by the plugins themselves.

The pods are made as a runtime makes them, asked about, and taken away again; what is wrong shows
as the step that fails. Nothing that belongs to another pod is touched.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from secrets import token_hex
from typing import TypeVar

from preflight.cni import chain
from preflight.cni.attachment import Attachment
from preflight.cni.causes import Scene
from preflight.cni.hoststate import as_before
from preflight.cni.installed import asked
from preflight.cni.lint import lint
from preflight.cni.ownrules import ask
from preflight.cni.pods import Pod, link_mtu, namespaces, pod_of
from preflight.cni.probing import Answer, Listener, Probe
from preflight.cni.problem import ERROR, Context
from preflight.cni.proof import Step, StepFailed
from preflight.cni.questions import (
    POD_PORT,
    Outside,
    named,
    on_link,
    outside_probes,
    pod_count,
    pod_probes,
    service_probes,
    services,
)
from preflight.cni.remains import remains
from preflight.cni.services import SERVICE_LABEL, served
from preflight.cni.spec import NetworkConfig
from rules.cluster import IPAddress, IPNetwork
from rules.errors import CommandError, NodeprepError
from rules.record import field, record

S = TypeVar("S")
T = TypeVar("T")


@record
class Request:
    """What is to be proven and against what. ``outside``: places that pods must reach."""

    network: NetworkConfig
    caller: chain.Caller
    outside: tuple[Outside, ...] = ()
    service_subnets: tuple[IPNetwork, ...] = ()
    context: Context = field(default_factory=Context)


class Steps:
    """The steps so far, what was raised in them, the addresses that pods got."""

    def __init__(self, told: Callable[[str], None] | None = None) -> None:
        self.done: list[Step] = []
        self.failures: list[NodeprepError] = []
        self.addresses: list[IPAddress] = []
        self.scene = Scene()
        self._told = told or (lambda _: None)

    def add(self, name: str, ok: bool | None, detail: str, duration_ms: float) -> None:
        """One more."""
        self.done.append(Step(name, ok, detail, round(duration_ms, 1)))

    def attempt(self, name: str, work: Callable[[], str]) -> bool:
        """Runs ``work``, whose text is the detail; False where it raised."""
        self._told(name)
        began = time.monotonic()
        try:
            detail, ok = work(), True
        except NodeprepError as error:
            detail, ok = str(error), False
            self.failures.append(error)
        self.add(name, ok, detail, (time.monotonic() - began) * 1000)
        return ok

    def answers(self, found: dict[str, Answer], probes: Sequence[Probe]) -> None:
        """A step for each probe."""
        for probe in probes:
            answer = found[probe.name]
            to = f"{probe.target} port {probe.port}" if probe.port else str(probe.target)
            size = f", {probe.size} bytes" if probe.size > 84 else ""
            said = answer.why or "answered"
            self.add(probe.name, answer.ok, f"{to}{size}: {said}", answer.duration_ms)


def prove_by_plugins(request: Request, steps: Steps) -> None:
    """Takes every step that can be taken; what cannot, after a failure, is left out."""
    if not _configuration(request, steps):
        return
    try:
        with as_before(request.network), namespaces(pod_count(request.network)) as made:
            attachments = [Attachment(name, netns) for name, netns in made]
            _with_namespaces(request, steps, attachments)
    except CommandError as error:
        steps.failures.append(error)
        steps.add("namespaces", None if error.reason == "denied" else False, str(error), 0.0)


def _configuration(request: Request, steps: Steps) -> bool:
    """The file and the programs: a proof of a broken file would only repeat it in other words."""

    def judge() -> str:
        problems = [item for item in lint(request.network, request.context) if item.level == ERROR]
        if problems:
            first = problems[0]
            more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
            raise StepFailed(
                f"{request.network.path}: {first.place}: {first.message}{more}; {first.remedy}"
            )
        return f"{request.network.path}: {', '.join(request.network.types)}"

    return steps.attempt("configuration", judge) & steps.attempt(
        "plugins", lambda: _plugins(request)
    )


def _plugins(request: Request) -> str:
    """Every program of the chain and loopback is there and speaks the file's version."""
    version = chain.network_version(request.network)
    found, missing = asked((*request.network.types, "loopback"), request.caller.plugin_dirs)
    where = ", ".join(request.caller.plugin_dirs)
    if missing:
        raise CommandError("absent", f"{', '.join(missing)}: not in {where}")
    silent = [kind for kind, said in found.items() if not said]
    if silent:
        raise CommandError("failed", f"{', '.join(silent)}: does not answer as a CNI plugin")
    deaf = [kind for kind, said in found.items() if version not in said and kind != "loopback"]
    if deaf:
        raise CommandError("failed", f"{', '.join(deaf)}: does not speak cniVersion {version}")
    return f"{len(found)} speak {version}"


def _with_namespaces(request: Request, steps: Steps, attachments: list[Attachment]) -> None:
    network, caller = request.network, request.caller
    pods: list[Pod] = []

    def add() -> str:
        # One after the other: what the first meets on a node without pods, two would hide.
        results = [chain.add(network, one, caller) for one in attachments]
        pods.extend(
            pod_of(item.container, item.netns, result, item.interface)
            for item, result in zip(attachments, results, strict=True)
        )
        steps.addresses = [address for pod in pods for address in pod.addresses.values()]
        return ", ".join(map(str, steps.addresses)) or "no address"

    try:
        if steps.attempt("add", add):
            look_around(request, steps, pods)
            _check(request, steps, attachments)
    finally:
        _take_away(request, steps, attachments, pods)


def side_by_side(work: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Runs ``work`` for all at once; the results in order. Raises the first error, after all."""
    results: dict[int, T] = {}
    errors: list[BaseException] = []

    def one(index: int) -> None:
        try:
            results[index] = work(items[index])
        except BaseException as error:  # noqa: BLE001 - raised by the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(items))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(items))]


def look_around(request: Request, steps: Steps, pods: Sequence[Pod]) -> None:
    """All the probes, at once; the steps in the order in which a person reads them."""
    link = on_link(request.network)
    if not any(pod.addresses for pod in pods):
        steps.add("pod-to-pod", None, "pods got no address, so that nothing can be tried", 0.0)
        return
    try:
        mtus = {pod.name: link_mtu(pod.netns, pod.interface) for pod in pods}
    except CommandError as error:
        steps.failures.append(error)
        steps.add("interface", False, str(error), 0.0)
        return
    inner = pod_probes(pods, mtus, link=link)
    mine, control, full = outside_probes(pods[0], request.outside, mtus[pods[0].name])
    found_services = () if link else services(pods, request.service_subnets)
    through = service_probes(pods, found_services)
    with ExitStack() as stack:
        listeners = []
        for service in found_services:
            listener = Listener(pods[-1].netns, service.pod.version, POD_PORT)
            stack.callback(listener.close)
            listeners.append(listener)
        problem = ""
        try:
            if found_services:
                stack.enter_context(served(found_services, f"{SERVICE_LABEL}{token_hex(4)}"))
        except CommandError as error:
            problem, through_now = str(error), []
        else:
            through_now = through
        answers = ask([*inner, *mine, *control, *full, *through_now], listeners)
    steps.answers(answers, inner)
    if problem:
        for probe in through:
            steps.add(probe.name, None, f"no Service can be made here: {problem}", 0.0)
    else:
        steps.answers(answers, through)
    for family in sorted(pods[0].addresses):
        places = [item for item in request.outside if item.address.version == family]
        _outside(steps, family, places, answers)
    if any(step.ok is False for step in steps.done):
        from preflight.cni.scene import look

        steps.scene = look(steps.addresses)


def _outside(
    steps: Steps, family: int, places: Sequence[Outside], answers: dict[str, Answer]
) -> None:
    """One step for all places of a family: any that answers will do, as not all hosts answer."""
    name, full = named("pod-to-outside", family), named("full-size-outside", family)
    if not places:
        if family == 4:
            why = "no default route and no name server: name a place with --outside ADDRESS"
            steps.add(name, None, why, 0.0)
        return
    reached = [place for place in places if answers[f"outside {place}"].ok]
    by_host = [place for place in places if answers[f"host {place}"].ok]
    took = max(answers[f"outside {place}"].duration_ms for place in places)
    if reached:
        first = answers[f"outside {reached[0]}"]
        steps.add(name, True, f"{reached[0]}: answered", first.duration_ms)
    elif by_host:
        why = answers[f"outside {by_host[0]}"].why
        steps.add(name, False, f"{by_host[0]}: {why}, and this host reaches it", took)
    else:
        shown = ", ".join(map(str, places))
        steps.add(name, None, f"{shown}: this host does not reach it either", took)
    pinged = [place for place in reached if not place.port]
    if pinged:
        answer = answers[f"full {pinged[0]}"]
        said = "answered" if answer.ok else answer.why
        steps.add(full, answer.ok, f"{pinged[0]}: {said}", answer.duration_ms)


def _check(request: Request, steps: Steps, attachments: list[Attachment]) -> None:
    """CHECK, where the version has it and the file does not forbid it."""
    network, caller = request.network, request.caller

    def check() -> str:
        asked_all = side_by_side(lambda one: chain.check(network, one, caller), attachments)
        return "as they were made" if all(asked_all) else "disableCheck: nobody was asked"

    if chain.network_version(network) >= "0.4.0":
        steps.attempt("check", check)


def _take_away(
    request: Request, steps: Steps, attachments: list[Attachment], pods: Sequence[Pod]
) -> None:
    network, caller = request.network, request.caller

    def delete() -> str:
        side_by_side(lambda one: chain.delete(network, one, caller), attachments)
        return f"{len(attachments)} pods"

    steps.attempt("delete", delete)
    # A runtime repeats it whenever it is not sure; it must succeed all the same (SPEC.md, DEL).
    steps.attempt("delete-again", delete)
    ids = [item.container for item in attachments]
    bridges = {str(item.get("bridge") or "cni0") for item in network.plugins}
    links = [name for pod in pods for name in pod.host_links if name not in bridges]

    nothing_left(request, steps, ids, links, [])


def nothing_left(
    request: Request,
    steps: Steps,
    ids: Sequence[str],
    links: Sequence[str],
    namespaces_gone: Sequence[str],
) -> None:
    """The last step: what plugins and callers keep of a pod is gone, and so are its namespaces."""

    def nothing() -> str:
        left = remains(request.network, ids, links, request.caller.cache_dir)
        left += [f"namespace {path}" for path in namespaces_gone if os.path.exists(path)]
        if left:
            more = f" (and {len(left) - 1} more)" if left[1:] else ""
            raise StepFailed(f"left behind: {left[0]}{more}")
        return "no lease, cache entry, rule or interface"

    steps.attempt("nothing-left", nothing)
