"""The playbook `nodes` on six hosts by SSH: how long it takes, and how much of it is nodeprep's."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from statistics import median

# Where the single file of the bench notes the processor time of each run.
TIMES = "/run/nodeprep.times"
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
    plays: list[tuple[str, Play, float]] = []
    with tempfile.TemporaryDirectory() as place, Lab(Path(place) / "lab", hosts) as lab:
        # The one that calls this tree, and lets the shell tell what it took.
        text = lab.single.read_text().replace("exec ", "")
        lab.single.write_text(f"{text}code=$?\ntimes >> {TIMES}\nexit $code\n")
        (lab.place / "SHA256SUMS").unlink()
        for title, at_once, offline in (
            ("first run, six at once", 6, False),
            ("second run, nothing to do, six at once", 6, False),
            ("the same, one host at a time", 1, False),
            ("the same, `nodeprep_offline`", 1, True),
        ):
            play = lab.play(
                "nodes",
                inventory,
                f"--forks={at_once}",
                nodeprep_serial=at_once,
                nodeprep_posture="enforce",
                nodeprep_ignore=EXCUSED,
                nodeprep_offline=offline,
            )
            spent = [
                _processor_s(lab.servers[host.name].shell(f"cat {TIMES}; rm {TIMES}"))
                for host in hosts
            ]
            plays.append((title, play, median(spent)))
    lines = [
        "| playbook `nodes`, six hosts | wall s | tasks s a host | nodeprep s a host "
        "| its processor s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for title, play, processor_s in plays:
        tasks, own = median(play.tasks_ms().values()), median(play.own_ms().values())
        lines.append(
            f"| {title} | {play.seconds:.1f} | {tasks / 1000:.1f} | {own / 1000:.2f} "
            f"| {processor_s:.2f} |"
        )
    return "\n".join(lines)


def _processor_s(text: str) -> float:
    """What `times` of sh printed of its children, user and system, over all runs."""
    children = text.splitlines()[1::2]
    found = [re.findall(r"(\d+)m([\d.]+)s", line) for line in children]
    return sum(int(minutes) * 60 + float(seconds) for line in found for minutes, seconds in line)
