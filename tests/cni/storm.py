"""Run on the test node: many containers added at once, callers killed at random, then nothing left.

``COUNT KILLS``: of COUNT containers KILLS lose their caller somewhere in ADD. The others have a
process in their namespace, as pods have. Prints JSON of what was seen.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from preflight.cni import chain
from preflight.cni.attachment import Attachment
from preflight.cni.node import load_file
from preflight.cni.remains import rulesets
from tests.cni.node import CONF_PATH, PLUGIN_DIR

LIVE_AT_ONCE = 8


def add(attachment: Attachment) -> int:
    """A child that adds one container; its pid."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            chain.add(load_file(CONF_PATH), attachment, chain.Caller((PLUGIN_DIR,)))
            status = 0
        finally:
            os._exit(status)
    return pid


def run(count: int, kills: int) -> dict[str, Any]:
    chance = random.Random(7)  # noqa: S311 - the same storm each time
    names = [f"cni-{uuid.UUID(int=chance.getrandbits(128), version=4)}" for _ in range(count)]
    subprocess.run(
        ["ip", "-batch", "-"],
        input="\n".join(f"netns add {n}" for n in names),
        text=True,
        check=True,
    )
    doomed = set(chance.sample(range(count), kills))
    live = [i for i in range(count) if i not in doomed]
    sleepers = {
        i: subprocess.Popen(["nsenter", f"--net=/run/netns/{names[i]}", "sleep", "1000"])
        for i in live
    }
    usual_s = _usual_s(names[live[0]])
    deadlines: dict[int, float] = {}
    waiting, failed = list(range(count)), []
    running: dict[int, int] = {}
    while waiting or running:
        while waiting and len(running) < LIVE_AT_ONCE:
            i = waiting.pop(0)
            pid = add(Attachment(f"c{i}", f"/run/netns/{names[i]}"))
            running[pid] = i
            if i in doomed:
                deadlines[pid] = time.monotonic() + chance.uniform(0, 1.5 * usual_s)
        for pid, deadline in list(deadlines.items()):
            if time.monotonic() >= deadline:
                os.kill(pid, signal.SIGKILL)
                del deadlines[pid]
        for pid in list(running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                i = running.pop(pid)
                deadlines.pop(pid, None)
                if status and i in live:
                    failed.append(i)
        time.sleep(0.002)
    time.sleep(1)  # the plugins of killed callers end by themselves
    before = state()
    gc = subprocess.run(
        [sys.executable, "-m", "preflight", "cni", "gc", "--min-age", "0", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    after = state()
    checked = [
        chain.check(load_file(CONF_PATH), Attachment(f"c{i}", f"/run/netns/{names[i]}"),
                    chain.Caller((PLUGIN_DIR,)))
        for i in live
    ]  # fmt: skip
    for sleeper in sleepers.values():
        sleeper.kill()
        sleeper.wait()
    subprocess.run(
        [sys.executable, "-m", "preflight", "cni", "gc", "--min-age", "0"],
        capture_output=True,
        check=True,
    )
    return {
        "failed": failed,
        "live": len(live),
        "checked": sum(checked),
        "before": before,
        "collected": json.loads(gc.stdout)["changes"],
        "after": after,
        "end": settled(),
    }


def settled() -> dict[str, int]:
    """The state once the kernel has taken the interfaces of dead namespaces away."""
    for _ in range(100):
        found = state()
        if not found["veths"]:
            break
        time.sleep(0.05)
    return found


def _usual_s(name: str) -> float:
    """How long an ADD takes on this machine now, with as many at once as there will be."""
    attachment = Attachment("first", f"/run/netns/{name}", "eth9")
    began = time.monotonic()
    os.waitpid(add(attachment), 0)
    took = time.monotonic() - began
    chain.delete(load_file(CONF_PATH), attachment, chain.Caller((PLUGIN_DIR,)))
    return took * LIVE_AT_ONCE / (os.cpu_count() or 1)


def state() -> dict[str, int]:
    leases = [
        path
        for path in Path("/var/lib/cni/networks/pods").iterdir()
        if path.name != "lock" and not path.name.startswith("last_")
    ]
    text = "\n".join(rulesets().values())
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    return {
        "leases": len(leases),
        "cache": len(list(Path("/var/lib/cni/results").glob("*"))),
        "chains": text.count("chain CNI-"),
        "rules": text.count("jump CNI-"),
        "veths": sum(line.startswith("veth") for line in links.splitlines()),
        "namespaces": len(list(Path("/run/netns").glob("cni-*"))),
    }


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]))))
