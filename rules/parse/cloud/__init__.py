"""Text of clouds -> groups and rules (``rules.cloud.found``). Pure; one module for each cloud.

``parse(cloud, form, text)`` reads what ``rules.render.cloud`` writes and, where the format is the
cloud's own, what others write and what its API prints.
"""

from __future__ import annotations

from importlib import import_module

from rules.cloud import load
from rules.cloud.found import FoundGroup
from rules.errors import UsageError


def parse(cloud: str, form: str, text: str, source: str = "") -> tuple[FoundGroup, ...]:
    """The groups of one file. ``source`` names it in errors.

    Raises ConfigError, with the place, for text that is not of the format or that says something
    which cannot be read exactly; UsageError for an unknown cloud or format.
    """
    load(cloud)
    module = import_module(f"rules.parse.cloud.{cloud}")
    if form not in module.FORMATS:
        known = ", ".join(module.FORMATS)
        raise UsageError(f"{cloud} has no format called {form!r}; there are {known}")
    groups: tuple[FoundGroup, ...] = module.FORMATS[form](text, source or f"the {cloud} {form}")
    return groups
