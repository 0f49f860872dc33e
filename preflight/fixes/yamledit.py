"""One top-level scalar of a YAML file set by the smallest change of its text. Pure."""

from __future__ import annotations

import re
from typing import Any

from preflight.fixes.steps import FixError


def set_scalar(text: str, key: str, value: str, *, source: str) -> str:
    """``text`` with ``key: value`` at its top level. Raises FixError where that cannot be reached.

    What comes out is parsed again and must differ by this key alone.
    """
    before = _parsed(text, source)
    if before.get(key) == value:
        return text
    pattern = re.compile(rf"^{re.escape(key)}:[^\n]*$", re.MULTILINE)
    line = f"{key}: {value}"
    # Written in some other way, or twice, which the kubelet refuses.
    if len(pattern.findall(text)) != int(key in before):
        raise FixError(f"{source} writes {key} in a way that nodeprep does not edit")
    if key in before:
        made = pattern.sub(line, text, count=1)
    else:
        made = f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"
    if _parsed(made, source) != {**before, key: value}:
        raise FixError(f"{source} writes {key} in a way that nodeprep does not edit")
    return made


def _parsed(text: str, source: str) -> dict[str, Any]:
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise FixError(f"{source} is not YAML") from None
    if not isinstance(value, dict):
        raise FixError(f"{source} is not a mapping")
    return value
