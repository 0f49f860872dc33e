"""The options of commands that judge many nodes at once, as preflight.runs.comparing.Flags."""

from __future__ import annotations

from typing import Any

from preflight.cli.grouped import grouped
from preflight.cli.options import (
    ClusterOption,
    IgnoreOption,
    QuietOption,
    ReportOption,
    SkipOption,
    StrictOption,
    VerboseOption,
)

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "cluster": (ClusterOption, ""),
    "ignore": (IgnoreOption, ""),
    "skip": (SkipOption, ""),
    "strict": (StrictOption, False),
    "output": (ReportOption, "text"),
    "quiet": (QuietOption, False),
    "verbose": (VerboseOption, False),
}
takes_judging = grouped("flags", _OPTIONS)
