"""The machine that kernel tests change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel import require_kernel
from tests.rules.backend.lab import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    require_kernel()
    made = Machine(tmp_path)
    yield made
    made.close()
