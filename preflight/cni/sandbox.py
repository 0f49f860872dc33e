"""Pod sandboxes through a runtime's CRI socket: run, look into, stop, remove.

Field numbers are those of the CRI's api.proto
(https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from preflight.facts.grpcclient import Channel, GrpcError, NotGrpc
from preflight.facts.protobuf import (
    WireError,
    blobs,
    parse_message,
    put_bool,
    put_bytes,
    put_varint,
    text,
)
from rules.errors import EXIT_FAILED, CommandError, NodeprepError
from rules.record import record

_SERVICE = "/runtime.v1.RuntimeService/"
# A cold runtime unpacks the pause image first; the kubelet itself waits two minutes.
TIME_LIMIT_S = 60.0
NAMESPACE = "nodeprep-prove"


class RuntimeFailure(NodeprepError):
    """The runtime answered a call with an error."""

    exit_code = EXIT_FAILED


@record
class Sandbox:
    """``netns`` is the path of its network namespace, ``addresses`` those that the runtime says."""

    id: str
    netns: str
    addresses: tuple[str, ...]


def run_sandbox(socket: str, name: str, *, cgroup_parent: str = "") -> str:
    """Makes a sandbox with a network of its own; its id, which is the container id for CNI."""
    metadata = (
        put_bytes(1, name.encode())
        + put_bytes(2, name.encode())
        + put_bytes(3, NAMESPACE.encode())
        + put_varint(4 << 3)
        + put_varint(1)
    )
    # linux.security_context.namespace_options: network POD is 0, and so left out.
    linux = put_bytes(2, put_bytes(1, b""))
    if cgroup_parent:
        linux += put_bytes(1, cgroup_parent.encode())
    config = put_bytes(1, metadata) + put_bytes(2, name[:63].encode()) + put_bytes(8, linux)
    answer = _call(socket, "RunPodSandbox", put_bytes(1, config))
    return text(parse_message(answer), 1)


def sandbox_status(socket: str, sandbox_id: str) -> Sandbox:
    """What the runtime tells of it. Raises RuntimeFailure where it names no namespace."""
    request = put_bytes(1, sandbox_id.encode()) + put_bool(2, True)
    return parse_status(_call(socket, "PodSandboxStatus", request), sandbox_id)


def parse_status(answer: bytes, sandbox_id: str) -> Sandbox:
    """PodSandboxStatusResponse with ``info`` -> Sandbox. Raises RuntimeFailure where it does not
    name the network namespace, WireError where it is no such message."""
    response = parse_message(answer)
    addresses: list[str] = []
    for status in blobs(response, 1):
        for network in blobs(parse_message(status), 5):
            message = parse_message(network)
            addresses += [text(message, 1)] if text(message, 1) else []
            addresses += [text(parse_message(blob), 1) for blob in blobs(message, 2)]
    info: dict[str, str] = {}
    for blob in blobs(response, 2):
        entry = parse_message(blob)
        info[text(entry, 1)] = text(entry, 2)
    netns = _namespace(info.get("info", ""))
    if not netns:
        raise RuntimeFailure(f"the runtime does not tell the network namespace of {sandbox_id}")
    return Sandbox(sandbox_id, netns, tuple(addresses))


def _namespace(info: str) -> str:
    """The path of the network namespace in the runtime's verbose JSON; empty where it has none."""
    try:
        found: Any = json.loads(info)
        listed = found["runtimeSpec"]["linux"]["namespaces"]
        return next(str(item["path"]) for item in listed if item.get("type") == "network")
    except (ValueError, KeyError, TypeError, StopIteration, AttributeError):
        return ""


def stop_sandbox(socket: str, sandbox_id: str) -> None:
    """Takes its network away (CNI DEL) and ends its processes."""
    _call(socket, "StopPodSandbox", put_bytes(1, sandbox_id.encode()))


def remove_sandbox(socket: str, sandbox_id: str) -> None:
    """Makes the runtime forget it; also one that still runs."""
    _call(socket, "RemovePodSandbox", put_bytes(1, sandbox_id.encode()))


def _call(socket: str, method: str, request: bytes) -> bytes:
    if not os.path.exists(socket):
        raise CommandError("absent", f"{socket} is not there: no runtime runs")
    try:
        with Channel(socket, timeout_s=TIME_LIMIT_S) as channel:
            return channel.call(_SERVICE + method, request)
    except GrpcError as error:
        raise RuntimeFailure(f"{method}: {error}") from None
    except (NotGrpc, WireError) as error:
        raise CommandError("failed", f"{socket} is no CRI server: {error}") from None
    except TimeoutError:
        raise CommandError(
            "timeout", f"{method}: no answer on {socket} within {TIME_LIMIT_S:g} s"
        ) from None
    except OSError as error:
        reason = "denied" if isinstance(error, PermissionError) else "failed"
        raise CommandError(reason, f"{socket}: {error.strerror or error}") from None


def first_socket(sockets: Sequence[str]) -> str:
    """The socket to speak to. Raises CommandError where there is none."""
    if not sockets:
        raise CommandError("absent", "no CRI socket is here: start the runtime, or name criSocket")
    return sockets[0]
