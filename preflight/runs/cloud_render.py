"""One run of `nodeprep cloud render`: rules of a cloud, text of a format, output."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

from preflight.output import check_format
from rules.words import wrong_choice

if TYPE_CHECKING:
    from preflight.runs.cloud_policy import CloudRequest
    from rules.cloud.rivals import Rivals
    from rules.cloud.rule import Rule
    from rules.cloud.witness import Witness
    from rules.render.cloud import CloudArtefact


def run_render(request: CloudRequest, *, form: str, output: str) -> int:
    """Prints the document; what it costs and what is wider goes to stderr. The exit code."""
    from preflight.runs.cloud_policy import load_rules
    from rules.cloud import resolve
    from rules.render.cloud import formats, render

    check_format(output)
    request = request.but(cloud=resolve(request.cloud, form))
    if form and form not in formats(request.cloud):
        raise wrong_choice("--format", form, formats(request.cloud))
    # Rules hold no cycles, and the collector would look through all of them again and again.
    gc.disable()
    rules = load_rules(request)
    made = render(form, rules)
    gc.enable()
    for line in rules.remarks[1:]:
        print(f"nodeprep: {line}", file=sys.stderr)
    if output == "text":
        sys.stdout.write(_text(made))
    else:
        from preflight.report import document

        sys.stdout.write(document.render(_document(made), output))
    return 0


def _text(made: CloudArtefact) -> str:
    """One file as it is; several one after the other, each below its name."""
    if len(made.files) == 1:
        return next(iter(made.files.values()))
    return "\n".join(f"==> {name} <==\n{text}" for name, text in made.files.items())


def _document(made: CloudArtefact) -> dict[str, Any]:
    from rules.cloud.rivals import Rivals

    rules = made.rules
    rivals = Rivals(rules.rules)
    return {
        "schema_version": 1,
        "kind": "CloudRules",
        "cloud": rules.cloud,
        "format": made.form,
        "roles": list(rules.plan.receivers),
        "digest": rules.plan.digest,
        "files": [{"name": name, "text": text} for name, text in made.files.items()],
        "groups": [
            {
                "name": group.name,
                "role": group.role,
                "rules": [_rule(rule, rivals) for rule in group.rules],
            }
            for group in rules.groups
        ],
        "usage": [
            {"subject": item.subject, "quota": item.quota, "used": item.used, "most": item.most}
            for item in rules.usage
        ],
        "widenings": [{"flow": item.flow, "why": item.why} for item in rules.widenings],
        "left_out": list(rules.left_out),
    }


def _rule(rule: Rule, rivals: Rivals) -> dict[str, Any]:
    from rules.cloud.witness import witness

    return {
        "from": str(rule.peer),
        "to": rule.place.value,
        "what": rule.what,
        "families": list(rule.families),
        "flows": list(rule.flows),
        "witness": _witness(witness(rule, list(rivals.near(rule)))),
    }


def _witness(found: Witness | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "family": found.family,
        "protocol": found.protocol,
        "port": found.port,
        "source": found.sender if found.source is None else str(found.source),
    }
