"""One top-level scalar of a YAML file set by the smallest change of its text. Pure."""

from __future__ import annotations

from typing import Any

from preflight.fixes.steps import FixError


def set_scalar(text: str, key: str, value: str, *, source: str) -> str:
    """``text`` with ``key: value`` at its top level, comments and all else as they are.

    JSON is YAML too. Raises FixError where that cannot be reached: what comes out is parsed again
    and must differ by this key alone.
    """
    before = _parsed(text, source)
    if before.get(key) == value:
        return text
    made = _changed(text, key, value)
    try:
        reached = made is not None and _parsed(made, source) == {**before, key: value}
    except FixError:
        reached = False
    if made is None or not reached:
        raise FixError(f"{source} writes {key} in a way that nodeprep does not edit")
    return made


def _changed(text: str, key: str, value: str) -> str | None:
    """The text with the value in the place of the old one; None where the key is there twice."""
    import yaml

    top = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(top, yaml.MappingNode):
        return None
    found = [held for name, held in top.value if getattr(name, "value", None) == key]
    if len(found) > 1:  # the kubelet refuses it
        return None
    if found:
        start, end = found[0].start_mark.index, found[0].end_mark.index
        quoted = f'"{value}"' if text[start:end].startswith('"') else value
        gap = " " if start == end else ""  # no value at all
        return f"{text[:start]}{gap}{quoted}{text[end:]}"
    if top.flow_style:
        start = top.start_mark.index + 1
        return f'{text[:start]}"{key}": "{value}"{", " if top.value else ""}{text[start:]}'
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{key}: {value}\n"


def _parsed(text: str, source: str) -> dict[str, Any]:
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise FixError(f"{source} is not YAML of one document") from None
    if not isinstance(value, dict):
        raise FixError(f"{source} is not a mapping")
    return value
