"""Seeded failures are found by `cni prove` or `cni doctor`, under their right name.

Here a selection, one for each way of being found. `make cni-sweep` runs all beside a real
containerd, and writes the table of docs/cni.md.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cni.faultlab import look
from tests.cni.faults import CLUSTER, FAULTS, INSTALL, Fault
from tests.cni.node import node
from tests.cni.schemas import valid
from tests.kernel import require_kernel

PAGE = Path(__file__).parents[2] / "docs" / "cni.md"
_BY_NUMBER = {fault.number: fault for fault in FAULTS}
# By the plugins' words, a check, a pattern of steps, the journal, the cluster file, a live pod.
SELECTED = ("6", "7", "10", "14", "17", "18", "e1", "e6", "e10")


@pytest.mark.kernel
@pytest.mark.parametrize("number", SELECTED)
def test_a_seeded_fault_is_named(number: str) -> None:
    require_kernel()
    fault = _BY_NUMBER[number]
    seen = look(fault)
    assert fault.finds in (*seen.prove, *seen.doctor), seen
    assert not (seen.proven and seen.healthy), seen


@pytest.mark.kernel
def test_a_healthy_node_is_healthy_every_time() -> None:
    require_kernel()
    done = node(
        f"{{ {CLUSTER}\n{INSTALL} }} >&2\n"
        "nodeprep cni doctor -o json | tr -d '\\n'; echo\n"
        "for run in $(seq 8); do nodeprep cni prove > /dev/null && echo proven; done",
    )
    diagnosis, *proven = done.stdout.splitlines()
    document = valid(diagnosis, "pod-network-diagnosis")
    assert document["healthy"] is True
    assert [pod["causes"] for pod in document["pods"]] == [[]]
    assert proven == ["proven"] * 8


def test_the_table_of_the_page_has_every_fault_and_all_are_found() -> None:
    rows = re.findall(r"^\| (e?\d+) \| (.*?) \| .* \| .* \| (.*?) \|$", PAGE.read_text(), re.M)
    assert [(number, name) for number, name, _ in rows] == [
        (fault.number, fault.name) for fault in FAULTS
    ]
    for (number, _, said), fault in zip(rows, FAULTS, strict=True):
        assert f"`{fault.finds}`" in said, number


def test_faults_have_numbers_of_their_own() -> None:
    numbers = [fault.number for fault in FAULTS]
    assert len(set(numbers)) == len(numbers) == 36
    assert all(isinstance(fault, Fault) and fault.finds for fault in FAULTS)
