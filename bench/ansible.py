"""The playbook `nodes` on six hosts by SSH: how long it takes, and how much of it is nodeprep's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median

MASTERS, WORKERS = ("m1", "m2", "m3"), ("w1", "w2", "w3")


def run(runs: int) -> str:
    # The tests' own lab: namespaces with their own sshd, behind a router.
    from tests.ansible.lab import Host, Lab, Play
    from tests.ansible.test_nodes import EXCUSED, KERNEL, RUNTIME, SERVICES, SWAP

    if os.geteuid() != 0:
        return "the playbook on six hosts: needs root"
    inventory = "\n".join(
        ["[kube_control_plane]", *MASTERS, "[etcd]", *MASTERS, "[kube_node]", *WORKERS]
    )
    faulty = SWAP + KERNEL + RUNTIME + SERVICES
    hosts = tuple(Host(name, number, faulty) for number, name in enumerate(MASTERS + WORKERS, 11))
    plays: list[tuple[str, Play]] = []
    with tempfile.TemporaryDirectory() as place, Lab(Path(place) / "lab", hosts) as lab:
        for title, offline in (
            ("first run", False),
            ("second run, nothing to do", False),
            ("the same, `nodeprep_offline`", True),
        ):
            play = lab.play(
                "nodes",
                inventory,
                nodeprep_serial=6,
                nodeprep_posture="enforce",
                nodeprep_ignore=EXCUSED,
                nodeprep_offline=offline,
            )
            plays.append((title, play))
    lines = [
        "| playbook `nodes`, six hosts at once | wall s | tasks s a host | nodeprep s a host |",
        "| --- | --- | --- | --- |",
    ]
    for title, play in plays:
        tasks, own = median(play.tasks_ms().values()), median(play.own_ms().values())
        lines.append(f"| {title} | {play.seconds:.1f} | {tasks / 1000:.1f} | {own / 1000:.2f} |")
    return "\n".join(lines)
