"""The network namespace of a Docker container, as CNI's own docker-run.sh finds it.

Docker has networks of its own (CNM); a container that was started with ``--network none`` has a
namespace with nothing but ``lo`` in it, which CNI can then fill.
"""

from __future__ import annotations

import json
import re
from typing import Any

from rules.errors import CommandError, UsageError
from rules.run import run

_TIMEOUT_S = 20.0
# https://docs.docker.com/reference/cli/docker/container/create/: names follow this rule.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def docker_namespace(name: str) -> tuple[str, str]:
    """(container id, path of its namespace) of a running container by name or id.

    Raises UsageError where there is none, it does not run, or it is in Docker's own network.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a Docker container")
    try:
        done = run(["docker", "inspect", "--type", "container", name], timeout_s=_TIMEOUT_S)
    except CommandError as error:
        if "No such" in str(error):
            raise UsageError(f"Docker has no container {name!r}") from None
        raise
    return parse_inspect(done.stdout, name)


def parse_inspect(text: str, name: str) -> tuple[str, str]:
    """``docker inspect`` -> (id, path). Raises UsageError, CommandError for what is not JSON."""
    try:
        found: Any = json.loads(text)[0]
        pid, mode = int(found["State"]["Pid"]), str(found["HostConfig"]["NetworkMode"])
        container = str(found["Id"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise CommandError("failed", "docker inspect printed no container") from None
    if pid <= 0:
        raise UsageError(f"container {name!r} does not run; start it with: docker start {name}")
    if mode != "none":
        raise UsageError(
            f"container {name!r} is in Docker's network {mode!r}, which would stay beside CNI's; "
            "start it with --network none"
        )
    return container, f"/proc/{pid}/ns/net"
