"""A machine of its own: network, mounts and processes that end with the test."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from rules.backend.nfttable import normal

ROOT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(
    json.loads((ROOT / "docs" / "schemas" / "firewall-change.schema.json").read_text())
)
OWN = ("NODEPREP-", "nodeprep")
_SETUP = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/dbus /run/bin
for directory in /etc /usr/lib/ufw /root; do
    [ -d "$directory" ] || continue
    place=/run/overlay$directory
    mkdir -p "$place/upper" "$place/work"
    mount -t overlay overlay -o "lowerdir=$directory,upperdir=$place/upper,workdir=$place/work" \
        "$directory"
done
mkdir -p /run/netns
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip link set lo up
echo ready
exec sleep 600
"""

CLUSTER = """\
kubernetesVersion: "1.37"
networking: {podSubnet: "10.244.0.0/16,fd00:244::/56", serviceSubnet: "10.96.0.0/16,fd00:96::/112"}
cni: {name: flannel, mode: vxlan}
nodes:
  - {name: m1, role: multi-master, addresses: [192.0.2.11, "2001:db8::11"]}
  - {name: w1, role: worker, addresses: [192.0.2.21, "2001:db8::21"]}
sources:
  admins: [203.0.113.0/24, "2001:db8:ad::/48"]
  nodePorts: [0.0.0.0/0, "::/0"]
  monitoring: [%s]
"""
# More than rules hold one by one: an ipset with the iptables backends.
MANY = ", ".join(f"198.51.100.{last}" for last in range(0, 80, 2))
OTHER = ", ".join(f"198.51.100.{last}" for last in range(1, 80, 2))


class Machine:
    """``run`` is a command in it, ``nodeprep`` the program, ``state`` its state directory.

    ``pid`` is its first process, as seen from outside.
    """

    setup = _SETUP
    namespaces = ("--net", "--mount", "--uts", "--pid")

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.files: dict[str, Path] = {}
        for name, addresses in (("one", MANY), ("two", OTHER)):
            self.files[name] = directory / f"{name}.yaml"
            self.files[name].write_text(CLUSTER % addresses)
        # No --kill-child's signal needs to be waited for: the namespace ends with its first one.
        self._process = subprocess.Popen(
            [
                *("unshare", *self.namespaces, "--fork", "--mount-proc"),
                *("--kill-child", "bash", "-c", self.setup),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            assert self._process.stderr is not None
            raise AssertionError(self._process.stderr.read())
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        self.pid = int(children[0])
        self._enter = ["nsenter", "-t", children[0], "-n", "-m", "-u", "-p", "--"]

    def close(self) -> None:
        """Ends every process in it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Without what the test machine says about itself."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("NODEPREP_", "SSH_"))
        }
        return {
            **kept,
            "PATH": f"/run/bin:{os.environ['PATH']}",
            "NODEPREP_STATE_DIR": str(self.state),
            "PYTHONDONTWRITEBYTECODE": "1",
            **(more or {}),
        }

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Starts a command in it."""
        return subprocess.Popen(
            [*self._enter, *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(env),
            cwd=ROOT,
        )

    def run(self, *argv: str, env: Mapping[str, str] | None = None, ok: bool = True) -> str:
        """What a command prints; an error unless it ends with 0."""
        process = self.start(*argv, env=env)
        out, err = process.communicate(timeout=60)
        if ok and process.returncode:
            raise AssertionError(f"{' '.join(argv)[:200]}: {process.returncode}: {err[-2000:]}")
        return out

    def address(self) -> None:
        """Gives it the addresses that the cluster file has for m1."""
        self.shell(
            "ip link add up0 type veth peer name lan0; ip link set lan0 up; ip link set up0 up; "
            "ip address add 192.0.2.11/24 dev up0; ip address add 2001:db8::11/64 dev up0 nodad; "
            "ip route add default via 192.0.2.1; ip route add default via 2001:db8::1"
        )

    def shell(self, script: str) -> str:
        """What a script of bash prints."""
        return self.run("bash", "-ec", script)

    def program(self, name: str, script: str) -> None:
        """Puts a program before all others of its name."""
        self.shell(
            f"cat > /run/bin/{name} <<'END'\n#!/bin/bash\n{script}\nEND\nchmod +x /run/bin/{name}"
        )

    def nodeprep(
        self, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One run of the program, which must end with ``code``."""
        argv = [sys.executable, "-m", "preflight", *arguments]
        process = self.start(*argv, env=env)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, f"{arguments}: {process.returncode}: {out}\n{err}"
        return subprocess.CompletedProcess(argv, code, out, err)

    def firewall(
        self,
        verb: str,
        backend: str = "",
        *more: str,
        policy: str = "one",
        code: int = 0,
        env: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON of `nodeprep firewall VERB`, for a multi-master under enforce."""
        arguments = ["firewall", verb, "-o", "json", *more]
        if verb in ("plan", "apply", "verify"):
            arguments += ["--role", "multi-master", "--config", str(self.files[policy])]
            if "--posture" not in more:
                arguments += ["--posture", "enforce"]
            if backend:
                arguments += ["--backend", backend]
        out = self.nodeprep(*arguments, code=code, env=env).stdout
        document: dict[str, Any] = json.loads(out) if out else {}
        if document:
            VALIDATOR.validate(document)
        return document

    def dump(self) -> dict[str, str]:
        """Everything that the kernel's packet filters hold, handles included."""
        found = {"nft": self.run("nft", "-a", "list", "ruleset")}
        for program in ("iptables-legacy-save", "ip6tables-legacy-save"):
            found[program] = _stable(self.run(program))
        found["ipset"] = "\n".join(sorted(self.run("ipset", "save").splitlines()))
        return found

    def foreign(self) -> dict[str, str]:
        """``dump`` without what is nodeprep's own."""
        found = self.dump()
        found["nft"] = without_own(found["nft"])
        return {
            name: "\n".join(
                line for line in text.splitlines() if not any(word in line for word in OWN)
            )
            for name, text in found.items()
        }

    def own(self) -> str:
        """What is nodeprep's own, without handles and counters, sorted where order says nothing."""
        table = self.run("nft", "-s", "list", "table", "inet", "nodeprep", ok=False)
        lines = [normal(table)]
        programs = [
            f"{family}tables-{kind}-save" for family in ("ip", "ip6") for kind in ("nft", "legacy")
        ]
        for program in (*programs, "ipset save -sorted"):
            text = _stable(self.run(*program.split(" ")))
            lines += [
                f"{program} {line}"
                for line in text.splitlines()
                if any(word in line for word in OWN)
            ]
        return "\n".join(lines)

    def settle(self) -> None:
        """Waits until nothing is pending."""
        wait_until(lambda: not (self.state / "firewall/pending.json").exists())

    def state_files(self) -> dict[str, tuple[int, int]]:
        """Path -> inode and time of every file of the state."""
        return {
            str(path): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in self.state.rglob("*")
        }


def _stable(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        words = line.split(" ")
        if "initval" in words:
            at = words.index("initval")
            words = words[:at] + words[at + 2 :]
        lines.append(" ".join(words))
    return "\n".join(lines)


def without_own(ruleset: str) -> str:
    """What nft lists, without the table inet nodeprep and the chains NODEPREP-*."""
    kept: list[str] = []
    end = ""
    for line in ruleset.splitlines():
        if end:
            end = "" if line == end else end
        elif line.startswith("table inet nodeprep "):
            end = "}"
        elif line.startswith("\tchain NODEPREP-"):
            end = "\t}"
            if kept[-1] == "":
                kept.pop()
        else:
            kept.append(line)
    return "\n".join(kept)


def wait_until(true: Any, *, within_s: float = 15.0) -> None:
    """Waits until the function gives something true."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the program itself: nsenter has forked it."""
    pid = process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        inner = children.read_text().split()
    except OSError:
        inner = []
    for number in inner or [str(pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGKILL)
    process.communicate(timeout=30)


HAS_SYSTEMD_ANALYZE = shutil.which("systemd-analyze") is not None
