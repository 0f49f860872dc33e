"""The collection's Python, loaded by path: it is no package of this repository."""

from __future__ import annotations

import importlib.util
from typing import Any

from tests.rules.backend.lab import ROOT

COLLECTION = ROOT / "ansible"


def load(name: str) -> Any:
    """``filter/nodes`` and the like, below plugins/."""
    path = COLLECTION / "plugins" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
