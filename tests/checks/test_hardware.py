from __future__ import annotations

from dataclasses import replace

import pytest

from preflight.finding import Status
from tests.nodes import hardware, healthy, judge


@pytest.mark.parametrize(
    ("cpus", "status"), [(1, Status.FAIL), (2, Status.PASS), (64, Status.PASS)]
)
def test_cpu_count_below_at_and_above_the_threshold(cpus: int, status: Status) -> None:
    facts = replace(healthy(), hardware=replace(hardware.healthy(), cpus=cpus))
    (found,) = judge("cpu-count", facts)
    assert found.status is status
