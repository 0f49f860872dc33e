"""Seeded faults, one file a subject; `test_faults.py` runs every one and makes the table."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from tests.faults.model import LiveFault, SavedFault

_NOT_SUBJECTS = {"__init__", "model", "lab", "test_faults"}


def all_faults() -> tuple[SavedFault | LiveFault, ...]:
    """The faults of every subject, by file name."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
    faults: list[SavedFault | LiveFault] = []
    for name in names:
        if name not in _NOT_SUBJECTS:
            faults += import_module(f"tests.faults.{name}").FAULTS
    return tuple(faults)
