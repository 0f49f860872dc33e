"""Any JSON document of nodeprep as text: json or yaml, keys sorted."""

from __future__ import annotations

import json
from typing import Any

from rules.errors import UsageError


def render(document: dict[str, Any], form: str) -> str:
    """``form`` is json or yaml. Sorted keys, a newline at the end, non-ASCII kept.

    Raises UsageError for another form.
    """
    if form not in ("json", "yaml"):
        raise UsageError(f"-o takes text, json or yaml, not {form!r}")
    if form == "yaml":
        import yaml

        text: str = yaml.safe_dump(document, sort_keys=True, allow_unicode=True, width=100)
        return text
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
