"""The runtime's CRI socket: who answers, in which version, ready or not, and how it is configured.

Field numbers are those of the CRI's api.proto
(https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto).
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

from preflight.facts.model import Known, Unknown
from preflight.facts.model.runtime import CriServer, socket_path

if TYPE_CHECKING:
    from preflight.facts.grpcclient import Channel
    from preflight.facts.protobuf import Message

# What kubeadm looks for where no socket is named (constants_unix.go; /var/run is /run).
KNOWN_SOCKETS = (
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
)
# A healthy runtime answers all calls within 20 ms.
TIME_LIMIT_S = 1.0
_APIS = ("v1", "v1alpha2")


def candidates(endpoint: str) -> tuple[str, ...]:
    """The named socket, there or not; else those of the known ones that exist."""
    if endpoint:
        return (socket_path(endpoint),)
    return tuple(path for path in KNOWN_SOCKETS if _is_socket(path) is not False)


def _is_socket(path: str) -> bool | None:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except PermissionError:
        return None
    except OSError:
        return False


def ask(path: str, *, timeout_s: float = TIME_LIMIT_S) -> CriServer:
    """Asks a socket for all that ``CriServer`` holds. What goes wrong is a value in it too."""
    if not path.startswith("/"):
        return CriServer(path, error=f"{path} is not the path of a unix socket", reason="absent")
    server = _ask(path, timeout_s)
    if isinstance(server, Unknown):
        return CriServer(path, error=server.message, reason=server.reason)
    return server


def _ask(path: str, timeout_s: float) -> CriServer | Unknown:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return Unknown("refused", f"{path} is not a socket")
    except OSError as error:
        return _unreachable(path, error)

    from preflight.facts.grpcclient import Channel, GrpcError, NotGrpc
    from preflight.facts.protobuf import WireError

    try:
        with Channel(path, timeout_s=timeout_s) as channel:
            return _questions(channel, path)
    except GrpcError as error:
        return Unknown("protocol", f"{path} answers with an error: {error}")
    except (NotGrpc, WireError) as error:
        return Unknown("protocol", f"{path} is not a CRI server: {error}")
    except OSError as error:
        return _unreachable(path, error)


def _unreachable(path: str, error: OSError) -> Unknown:
    if isinstance(error, TimeoutError):
        return Unknown("timeout", f"nobody answers on {path} in time")
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Unknown("absent", f"{path} is not there")
    if isinstance(error, PermissionError):
        return Unknown("denied", f"{path} may not be opened without root")
    if isinstance(error, ConnectionRefusedError):
        return Unknown("refused", f"nobody listens on {path}")
    return Unknown("protocol", f"{path} is not a CRI server: {error.strerror or error}")


def _questions(channel: Channel, path: str) -> CriServer | Unknown:
    from preflight.facts.protobuf import parse_message, put_bytes, text

    for api in _APIS:
        answer = _call(channel, api, "Version", put_bytes(1, api.encode()))
        if answer is not None:
            version = parse_message(answer)
            break
    else:
        return Unknown("unimplemented", f"{path} answers, and its CRI service is not there")
    status = _call(channel, api, "Status", b"\x08\x01")  # verbose = true
    told = _call(channel, api, "RuntimeConfig", b"")
    return CriServer(
        path,
        name=text(version, 2),
        version=text(version, 3),
        api=text(version, 4) or api,
        cgroup_driver="" if told is None else parse_runtime_config(told),
        **({} if status is None else parse_status(status)),
    )


def _call(channel: Channel, api: str, method: str, request: bytes) -> bytes | None:
    """The answer; None where the server does not know the call."""
    from preflight.facts.grpcclient import UNIMPLEMENTED, GrpcError

    try:
        return channel.call(f"/runtime.{api}.RuntimeService/{method}", request)
    except GrpcError as error:
        if error.code == UNIMPLEMENTED:
            return None
        raise


def parse_runtime_config(answer: bytes) -> str:
    """RuntimeConfigResponse -> ``systemd``, ``cgroupfs``, or empty (not a Linux answer)."""
    from preflight.facts.protobuf import blobs, number, parse_message

    linux = blobs(parse_message(answer), 1)
    if not linux:
        return ""
    # SYSTEMD is 0, and so left out of the message; CGROUPFS is 1.
    return "cgroupfs" if number(parse_message(linux[-1]), 1) == 1 else "systemd"


def parse_status(answer: bytes) -> dict[str, Any]:
    """StatusResponse -> the fields of ``CriServer`` that it tells."""
    from preflight.facts.protobuf import blobs, number, parse_message, text

    response = parse_message(answer)
    fields: dict[str, Any] = {}
    for status in blobs(response, 1):
        for blob in blobs(parse_message(status), 1):
            condition = parse_message(blob)
            kind, holds = text(condition, 1), bool(number(condition, 2))
            said = " ".join(filter(None, (text(condition, 3), text(condition, 4))))
            if kind == "RuntimeReady":
                fields |= {"ready": holds, "ready_message": "" if holds else said}
            elif kind == "NetworkReady":
                fields |= {"network_ready": holds, "network_message": "" if holds else said}
    return {**fields, **_parse_info([parse_message(blob) for blob in blobs(response, 2)])}


def _parse_info(entries: list[Message]) -> dict[str, Any]:
    """containerd's verbose status -> the driver and the CNI directories that it runs with."""
    from preflight.facts.protobuf import text

    config: dict[str, Any] = {}
    for entry in entries:
        if text(entry, 1) == "config":
            try:
                config = _table(json.loads(text(entry, 2)))
            except (ValueError, RecursionError):
                return {}
    cni, containerd = _table(config, "cni"), _table(config, "containerd")
    runtime = _table(containerd, "runtimes", str(containerd.get("defaultRuntimeName") or "runc"))
    fields: dict[str, Any] = {}
    if cni:
        several = cni.get("binDirs")
        one = cni.get("binDir")
        listed = several if isinstance(several, list) and several else [one] if one else []
        fields["plugin_dirs"] = tuple(str(directory) for directory in listed)
        fields["conf_dir"] = str(cni.get("confDir") or "")
    if containerd:
        systemd = _table(runtime, "options").get("SystemdCgroup") is True
        systemd = systemd or config.get("systemdCgroup") is True
        fields["configured_driver"] = "systemd" if systemd else "cgroupfs"
    return fields


def _table(value: Any, *keys: str) -> dict[str, Any]:
    """``value[a][b]`` where it is a table, else an empty one."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def pod_sandbox_ids(path: str, *, timeout_s: float = TIME_LIMIT_S) -> Known[tuple[str, ...]]:
    """The ids of all pod sandboxes that the runtime knows: the container ids that CNI saw."""
    if not path.startswith("/"):
        return Unknown("absent", f"{path} is not the path of a unix socket")
    try:
        os.stat(path)
    except OSError as error:
        return _unreachable(path, error)

    from preflight.facts.grpcclient import Channel, GrpcError, NotGrpc
    from preflight.facts.protobuf import WireError, blobs, parse_message, text

    try:
        with Channel(path, timeout_s=timeout_s) as channel:
            answer = _call(channel, "v1", "ListPodSandbox", b"")
            if answer is None:
                return Unknown("failed", f"{path} has no CRI v1")
            return tuple(text(parse_message(pod), 1) for pod in blobs(parse_message(answer), 1))
    except (GrpcError, NotGrpc, WireError) as error:
        return Unknown("failed", f"{path} does not list its pods: {error}")
    except OSError as error:
        unreachable = _unreachable(path, error)
        words = {"refused": "absent", "protocol": "failed"}
        return Unknown(words.get(unreachable.reason, unreachable.reason), unreachable.message)
