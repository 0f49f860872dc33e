"""`make cni-sweep`: every fault beside a real containerd, healthy runs, a storm of killed callers.

Writes the table of docs/cni.md, and prints what was seen. ``RUNS`` healthy proofs (200).
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cni.containerd import write_image
from tests.cni.faultlab import Seen, look
from tests.cni.faults import CLUSTER, FAULTS, INSTALL, Fault
from tests.cni.node import bridge, node

PAGE = Path(__file__).parents[2] / "docs" / "cni.md"
_TABLE = re.compile(r"<!-- faults -->\n.*?<!-- end -->", re.DOTALL)


def row(fault: Fault, seen: Seen) -> str:
    ready = {True: "ready", False: "not ready", None: "?"}[seen.ready]
    by = [name for name, found in (("prove", seen.prove), ("doctor", seen.doctor))
          if fault.finds in found]  # fmt: skip
    said = f"`{fault.finds}` ({', '.join(by)})" if by else "nothing"
    return f"| {fault.number} | {fault.name} | {seen.check} | {ready} | {said} |"


def faults() -> tuple[list[str], int]:
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(os.cpu_count()) as workers:
        image = Path(place) / "pause.tar"
        write_image(image)
        seen = list(workers.map(lambda fault: look(fault, image), FAULTS))
    found = sum(
        fault.finds in (*one.prove, *one.doctor) for fault, one in zip(FAULTS, seen, strict=True)
    )
    return [row(fault, one) for fault, one in zip(FAULTS, seen, strict=True)], found


def healthy(runs: int) -> int:
    done = node(
        f"{{ {CLUSTER}\n{INSTALL} }} >&2\nnodeprep cni doctor > /dev/null\n"
        f"for run in $(seq {runs}); do\n"
        "  nodeprep cni prove > /run/out 2>&1 && echo proven || cat /run/out >&2\ndone",
        timeout_s=900,
    )
    print(done.stderr, end="")
    return done.stdout.split().count("proven")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rows, found = faults()
    head = "| # | failure | CHECK | containerd | nodeprep |\n| --- | --- | --- | --- | --- |"
    table = "\n".join(["<!-- faults -->", head, *rows, "<!-- end -->"])
    PAGE.write_text(_TABLE.sub(lambda _: table, PAGE.read_text()))
    print(f"{found} of {len(FAULTS)} faults found under their right name")
    print(f"{healthy(runs)} of {runs} proofs of a healthy node proven")
    storm = json.loads(
        node(f"{sys.executable} -m tests.cni.storm 200 100", conf=bridge(), timeout_s=600).stdout
    )
    print(f"100 callers killed; before: {storm['before']}, after gc: {storm['after']}")
    print(f"{storm['checked']} of {storm['live']} live pods pass CHECK; at the end: {storm['end']}")


if __name__ == "__main__":
    main()
