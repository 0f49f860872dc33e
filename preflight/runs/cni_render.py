"""One run of `nodeprep cni render`: the configuration list, and what the lint says of it."""

from __future__ import annotations

import sys

from preflight.cni.compose import FILE_NAME
from preflight.cni.plan import Flags, make_plan, refuse_errors
from preflight.output import check_format, say
from rules.errors import EXIT_DONE


def run_render(flags: Flags, *, output: str) -> int:
    """Prints the file to the byte as `cni install` would lay it down; the exit code."""
    check_format(output)
    planned = make_plan(flags)
    refuse_errors(planned)
    for problem in planned.problems:
        say(f"warning: {problem.place}: {problem.message}; {problem.remedy}")
    if planned.missing:
        where = ", ".join(planned.plugin_dirs)
        say(f"warning: {', '.join(planned.missing)}: not in {where}")
    if output == "text":
        sys.stdout.write(planned.text)
        return EXIT_DONE
    from preflight.report.document import render

    document = {
        "schema_version": 1,
        "kind": "CniConfiguration",
        "name": FILE_NAME,
        "text": planned.text,
        "plugin": planned.wanted.plugin,
        "ipam": planned.wanted.ipam,
        "cni_version": planned.wanted.version,
        "mtu": planned.wanted.mtu or None,
        "subnets": [str(subnet) for subnet in planned.wanted.subnets],
        "masquerade": planned.wanted.masquerade,
        "spoken": {kind: list(said) for kind, said in planned.specs.items()},
        "missing": list(planned.missing),
        "warnings": [
            {"code": item.code, "place": item.place, "message": item.message, "remedy": item.remedy}
            for item in planned.problems
        ],
    }
    sys.stdout.write(render(document, output))
    return EXIT_DONE
