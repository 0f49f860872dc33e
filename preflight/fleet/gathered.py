"""What a run gathered in one directory: cards, and the reports of probes, by what each file is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from math import isfinite
from typing import Any, NamedTuple

from preflight.fleet.card import Filed, Misfit
from preflight.fleet.reach.frames import FRAMES
from preflight.fleet.reach.model import Layer, Outcome, label
from preflight.fleet.readcards import read_text
from preflight.fleet.sampling import LARGEST_K
from rules.errors import ConfigError, UsageError
from rules.files import read_input
from rules.record import record

# A probe report has about 1 KiB for each port of each peer.
REPORT_LIMIT_BYTES = 32 * 1024 * 1024
_REMEDY = "run the probe again, with this version of nodeprep"
_TEXTS = ("peer", "peer_role", "address", "protocol", "component", "outcome", "layer", "detail")
_PROTOCOLS = frozenset({"tcp", "udp", *FRAMES})
_OUTCOMES, _LAYERS = frozenset(map(str, Outcome)), frozenset(map(str, Layer))
# Longer ones come from no prober.
_LONGEST_DETAIL = 1000


class Probed(NamedTuple):
    """One port of one peer as a node's report has it; ``sender`` is the node that probed.

    A tuple, and no record: a run of 10,000 nodes has 250,000 of them.
    """

    sender: str
    sender_role: str
    peer: str
    peer_role: str
    address: str
    label: str
    component: str
    outcome: str
    layer: str
    detail: str
    warning: bool
    rtt_ms: float | None
    clock_ms: float | None


@record
class Gathered:
    """``probes`` in the order of the files. ``plan``: k and seed of a sampled run, None without."""

    filed: tuple[Filed, ...]
    misfits: tuple[Misfit, ...]
    probes: tuple[Probed, ...]
    probers: tuple[str, ...]
    plan: tuple[int, int] | None = None


class _Report(NamedTuple):
    """``started`` by the node's own clock, in the form that sorts."""

    started: str
    probes: list[Probed]


def gather(directory: str) -> Gathered:
    """Everything in ``directory``: ``*.json`` of the kinds Card, ProbeReport, ListenReport and
    ProbePlan. Raises ConfigError for a directory that cannot be read, UsageError for an empty one.
    """
    try:
        names = sorted(name for name in os.listdir(directory) if _counts(name))
    except OSError as error:
        raise ConfigError(directory, f"cannot be read: {error.strerror}") from None
    filed: list[Filed] = []
    misfits: list[Misfit] = []
    reports: dict[str, list[_Report]] = {}
    plan: tuple[int, int] | None = None
    for name in names:
        path = os.path.join(directory, name)
        try:
            text = read_input(path, limit_bytes=REPORT_LIMIT_BYTES)
        except ConfigError as error:
            misfits.append(Misfit(path, error.problem, "remove it, or make it readable"))
            continue
        kind = _kind(text)
        if kind == "ProbeReport":
            try:
                sender, report = _read_report(json.loads(text))
                reports.setdefault(sender, []).append(report)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                problem = f"is no probe report that can be used: {str(error)[:100]}"
                misfits.append(Misfit(path, problem, _REMEDY))
        elif kind == "ProbePlan":
            try:
                plan = _read_plan(json.loads(text))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                problem = f"is no plan that can be used: {str(error)[:100]}"
                misfits.append(Misfit(path, problem, "make it again: nodeprep fleet plan"))
        elif kind != "ListenReport":
            # Of what is broken, or nothing of ours, reading it as a card says what is wrong.
            read_text(path, text, filed, misfits)
    if not names:
        raise UsageError(f"nothing is in {directory}; gather cards and probe reports there")
    probes = [probe for found in reports.values() for probe in _newest(found)]
    return Gathered(tuple(filed), tuple(misfits), tuple(probes), tuple(reports), plan)


def _newest(reports: list[_Report]) -> Iterable[Probed]:
    """What one node met; of a port that it probed again, only the last time counts."""
    if len(reports) == 1:
        return reports[0].probes
    last: dict[tuple[str, str, str], Probed] = {}
    for report in sorted(reports, key=lambda report: report.started):
        for probe in report.probes:
            last[probe.peer, probe.address, probe.label] = probe
    return last.values()


def _counts(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")


def _kind(text: str) -> str:
    """The kind that a document says, without reading all of it twice."""
    for kind in ("Card", "ProbeReport", "ListenReport", "ProbePlan"):
        if f'"kind": "{kind}"' in text or f'"kind":"{kind}"' in text:
            return kind
    return ""


def _read_report(value: Any) -> tuple[str, _Report]:
    if value["schema_version"] != 1:
        raise ValueError(f"schema_version is {str(value['schema_version'])[:20]}, and 1 is known")
    sender, role = _text(value, "node"), _text(value, "role")
    probes = [_probed(sender, role, each) for each in value["reaches"]]
    return sender, _Report(_text(value, "started"), probes)


def _probed(sender: str, role: str, value: Any) -> Probed:
    texts = [value[name] for name in _TEXTS]
    for name, text in zip(_TEXTS, texts, strict=True):
        if type(text) is not str:
            raise ValueError(f"{name} is no text")
    peer, peer_role, address, protocol, component, outcome, layer, detail = texts
    port, warning = value["port"], value["warning"]
    if type(port) is not int or not 0 <= port <= 65535 or type(warning) is not bool:
        raise ValueError("port is no port, or warning neither true nor false")
    if protocol not in _PROTOCOLS or outcome not in _OUTCOMES or layer not in _LAYERS:
        raise ValueError("protocol, outcome or layer is none that this nodeprep knows")
    return Probed(
        sender,
        role,
        peer,
        peer_role,
        address,
        f"{port}/{protocol}" if port else label(protocol, port),
        component,
        outcome,
        layer,
        detail[:_LONGEST_DETAIL],
        warning,
        _number(value, "rtt_ms"),
        _number(value, "clock_ms"),
    )


def _text(value: Any, name: str) -> str:
    found = value[name]
    if type(found) is not str:
        raise ValueError(f"{name} is no text")
    return found


def _number(value: Any, name: str) -> float | None:
    found = value[name]
    if found is not None and (type(found) not in (int, float) or not isfinite(found)):
        raise ValueError(f"{name} is no number")
    return None if found is None else float(found)


def _read_plan(value: Any) -> tuple[int, int]:
    k, seed = value["k"], value["seed"]
    if type(k) is not int or not 1 <= k <= LARGEST_K:
        raise ValueError(f"k is none of 1 to {LARGEST_K}")
    if type(seed) is not int or abs(seed) >= 2**64:
        raise ValueError("seed is no number of 64 bits")
    return k, seed
