"""What a cloud refuses, in words: each flow with its reason, and the flags that accept it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def refusal(title: str, unsayable: Mapping[str, str], inexact: Mapping[str, str]) -> str:
    """One line for both kinds of flows, so that nobody meets the second after the first.

    ``title`` is the cloud, the others are flow -> why: what no rule carries, and what a rule
    carries only wider.
    """
    parts, flags = [], []
    if unsayable:
        parts.append(f"cannot carry {_each(unsayable)}")
        flags.append(f"--leave-out {','.join(unsayable)}")
    if inexact:
        parts.append(f"cannot say exactly: {_each(inexact)}")
        flags.append(f"--allow-widening {','.join(inexact)}")
    instead = ", or do without a flow by --leave-out" if inexact else ""
    return f"{title} {', and '.join(parts)}; accept it with {' '.join(flags)}{instead}"


def _each(reasons: Mapping[str, str]) -> str:
    """The flows, those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for flow, why in reasons.items():
        by_reason.setdefault(_brief(why), []).append(flow)
    return "; ".join(f"{', '.join(flows)} ({why})" for why, flows in by_reason.items())


def _brief(why: str) -> str:
    """`a 1 becomes b; a 2 becomes b` as `a 1, 2 become b`."""
    by_end: dict[str, list[str]] = {}
    for reason in why.split("; "):
        begin, becomes, end = reason.partition(" becomes ")
        by_end.setdefault(f"{becomes}{end}", []).append(begin)
    return "; ".join(_listed(begins, end) for end, begins in by_end.items())


def _listed(begins: list[str], end: str) -> str:
    if len(begins) == 1:
        return f"{begins[0]}{end}"
    return f"{_joined(begins)}{end.replace(' becomes ', ' become ', 1)}"


def _joined(begins: Iterable[str]) -> str:
    parted = [begin.rpartition(" ") for begin in begins]
    if len({common for common, _, _ in parted}) > 1:
        return ", ".join(f"{common}{space}{last}" for common, space, last in parted)
    common, space, _ = parted[0]
    return f"{common}{space}{', '.join(last for _, _, last in parted)}"
