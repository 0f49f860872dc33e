"""Members of an etcd cluster: Debian's etcd-server, asked with its own etcdctl."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping

from tests.rules.backend.lab import Machine, kill

# Of the machine's own /run: it outlives the process and ends with the machine.
_DATA, _LOG = "/run/etcd", "/run/etcd.log"


class Member:
    """One member in its machine. ``cluster`` is name -> address of all of them."""

    def __init__(self, machine: Machine, name: str, cluster: Mapping[str, str]) -> None:
        self.name, self.address = name, cluster[name]
        self._machine, self._cluster = machine, cluster
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts it, for the first time or again with what it has."""
        peers = ",".join(f"{name}=http://{at}:2380" for name, at in self._cluster.items())
        argv = [
            *("etcd", "--name", self.name, "--data-dir", _DATA),
            # On all addresses: who does not reach it is kept away by rules alone.
            *("--listen-client-urls", "http://0.0.0.0:2379"),
            *("--listen-peer-urls", "http://0.0.0.0:2380"),
            *("--advertise-client-urls", f"http://{self.address}:2379"),
            *("--initial-advertise-peer-urls", f"http://{self.address}:2380"),
            *("--initial-cluster", peers, "--initial-cluster-state", "new"),
            *("--listen-metrics-urls", "http://127.0.0.1:2381"),
        ]
        self._process = self._machine.start("bash", "-c", f'exec "$@" >>{_LOG} 2>&1', "-", *argv)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        process, self._process = self._process, None
        assert process.poll() is None, self.log()
        kill(process)

    def close(self) -> None:
        """Ends it where it runs."""
        if self._process is not None:
            kill(self._process)

    def put(self, key: str, value: str, *, through: str) -> None:
        """Writes from this machine, through the member at that address."""
        assert self.control("put", key, value, through=through) == "OK\n"

    def get(self, key: str, *, through: str) -> str:
        """Reads from this machine, through the member at that address, which asks a majority."""
        return self.control("get", key, "--print-value-only", through=through).rstrip("\n")

    def holds(self, key: str) -> str:
        """What the member itself has, whatever the others have."""
        argv = ("get", key, "--print-value-only", "--consistency=s")
        return self.control(*argv, through="127.0.0.1").rstrip("\n")

    def has_leader(self) -> bool | None:
        """Whether it knows a leader, also before it serves clients; None: it does not answer."""
        shown = self._machine.run(
            *("bash", "-c"),
            "exec 3<>/dev/tcp/127.0.0.1/2381 && printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && "
            "exec cat <&3",
            ok=False,
        )
        found = re.search(r"^etcd_server_has_leader ([01])$", shown, re.MULTILINE)
        return found and found[1] == "1"

    def ids(self) -> tuple[int, int]:
        """Its own id, and that of the leader that it knows; 0 for none."""
        out = self.control("endpoint", "status", "--write-out=json", through="127.0.0.1")
        status = json.loads(out)[0]["Status"]
        return int(status["header"]["member_id"]), int(status.get("leader", 0))

    def control(self, *words: str, through: str) -> str:
        """What etcdctl prints; AssertionError where it fails."""
        return self._machine.run(
            *("etcdctl", f"--endpoints=http://{through}:2379"),
            *("--dial-timeout=1s", "--command-timeout=4s", *words),
            env={"ETCDCTL_API": "3"},
        )

    def log(self) -> str:
        """The end of what it wrote."""
        return self._machine.run("tail", "-n", "40", _LOG, ok=False)
