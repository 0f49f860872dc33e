"""Proving a pod network with two sandboxes of the node's real runtime, through its CRI socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address
from secrets import token_hex
from typing import Any

from preflight.cni.hoststate import as_before
from preflight.cni.pods import PREFIX, Pod
from preflight.cni.proof import StepFailed
from preflight.cni.prove import Request, Steps, look_around, nothing_left, side_by_side
from preflight.cni.questions import pod_count
from preflight.cni.sandbox import (
    Sandbox,
    remove_sandbox,
    run_sandbox,
    sandbox_status,
    stop_sandbox,
)
from preflight.facts.cri import ask as ask_runtime
from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.netns import inside
from rules.run import run

_TIMEOUT_S = 10.0


def prove_by_runtime(request: Request, socket: str, steps: Steps) -> None:
    """Takes every step that can be taken. No container and no image but pause is needed."""
    if not steps.attempt("runtime", lambda: _runtime(socket)):
        return
    base = f"{PREFIX}{token_hex(4)}"
    names = [f"{base}-{letter}" for letter in "ab"[: pod_count(request.network)]]
    with as_before(request.network), _removed(socket, steps) as ids:
        _with_sandboxes(request, socket, steps, names, ids)


def _runtime(socket: str) -> str:
    """It answers, and says that it has a network; that alone proves little."""
    server = ask_runtime(socket, timeout_s=_TIMEOUT_S)
    if server.error:
        raise CommandError(server.reason, server.error)
    if server.network_ready is not True:
        raise StepFailed(f"{server.name} says: {server.network_message or 'NetworkReady is false'}")
    return f"{server.name} {server.version} on {socket}: NetworkReady"


@contextmanager
def _removed(socket: str, steps: Steps) -> Iterator[list[str]]:
    """Sandboxes whose ids are put in the list are removed after the block, whatever happens."""
    ids: list[str] = []
    try:
        yield ids
    finally:
        for sandbox_id in ids:
            steps.attempt("clean-up", partial(_end, socket, sandbox_id))


def _end(socket: str, sandbox_id: str) -> str:
    try:
        stop_sandbox(socket, sandbox_id)
    finally:
        remove_sandbox(socket, sandbox_id)
    return sandbox_id


def _with_sandboxes(
    request: Request, socket: str, steps: Steps, names: list[str], ids: list[str]
) -> None:
    pods: list[Pod] = []

    def make(name: str) -> str:
        made = run_sandbox(socket, name)
        ids.append(made)
        return made

    def add() -> str:
        made = side_by_side(make, names)
        pods.extend(pod_in(sandbox_status(socket, one)) for one in made)
        steps.addresses = [address for pod in pods for address in pod.addresses.values()]
        return ", ".join(map(str, steps.addresses)) or "no address"

    if not steps.attempt("sandboxes", add):
        return
    links = [link for pod in pods for link in pod.host_links]
    look_around(request, steps, pods)

    def stop() -> str:
        side_by_side(lambda one: stop_sandbox(socket, one), ids)
        return f"{len(ids)} sandboxes"

    def remove() -> str:
        side_by_side(lambda one: remove_sandbox(socket, one), ids)
        return f"{len(ids)} sandboxes"

    made = list(ids)
    if steps.attempt("stop", stop) and steps.attempt("remove", remove):
        ids.clear()
        nothing_left(request, steps, made, links, [pod.netns for pod in pods])


def pod_in(sandbox: Sandbox) -> Pod:
    """A pod as its namespace shows it: the gateways and the host's end are not in the answer."""
    addresses = [ip_address(text) for text in sandbox.addresses if text]
    gateways: dict[int, IPAddress] = {}
    with inside(sandbox.netns):
        for flag in ("-4", "-6"):
            for route in _json("ip", flag, "-j", "route", "show", "default"):
                if gateway := route.get("gateway"):
                    gateways.setdefault(ip_address(gateway).version, ip_address(gateway))
        links = _json("ip", "-j", "link", "show", "eth0")
    index = next((int(item["link_index"]) for item in links if "link_index" in item), 0)
    host = [
        str(item["ifname"])
        for item in (_json("ip", "-j", "link") if index else [])
        if item.get("ifindex") == index
    ]
    return Pod(
        sandbox.id,
        sandbox.netns,
        {int(item.version): item for item in reversed(addresses)},
        gateways,
        "eth0",
        tuple(host),
    )


def _json(*argv: str) -> list[dict[str, Any]]:
    done = run(list(argv), timeout_s=_TIMEOUT_S)
    try:
        return [item for item in json.loads(done.stdout or "[]") if isinstance(item, dict)]
    except ValueError as error:
        raise CommandError("failed", f"{' '.join(argv)}: {error}") from error
