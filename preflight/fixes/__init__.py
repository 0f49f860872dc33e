"""What `nodeprep fix` does about a finding: pure plans, kinds for the I/O, a journal to undo."""

from __future__ import annotations

from importlib import import_module

# The order in which fixes are applied. A new file of fixes is one name here.
SUBJECTS = (
    "packages",
    "names",
    "clones",
    "modules",
    "sysctls",
    "limits",
    "swap",
    "runtime",
    "services",
    "linkmanagers",
    "plugins",
    "parts",
)


def load() -> None:
    """Imports every subject, which registers its fixes."""
    for subject in SUBJECTS:
        import_module(f"preflight.fixes.{subject}")
