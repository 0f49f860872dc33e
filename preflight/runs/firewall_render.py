"""One run of `nodeprep firewall render`: policy, text of the target, output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from preflight.output import check_format
from rules.errors import UsageError
from rules.words import wrong_choice

if TYPE_CHECKING:
    from preflight.firewall.policy import PolicyRequest
    from rules.policy import Policy
    from rules.render import Artefact, Posture


def run_render(
    request: PolicyRequest, *, target: str, posture: str, file: str, commands: bool, output: str
) -> int:
    """Prints what would be loaded; the exit code.

    ``file``: that file alone, to the byte. ``commands``: the target's own commands instead.
    """
    from preflight import __version__
    from preflight.firewall.policy import load_policy
    from rules.render import TARGETS, Posture, render

    check_format(output)
    if target not in TARGETS:
        raise wrong_choice("--backend", target, TARGETS)
    known = {item.value: item for item in Posture}
    if posture not in known:
        raise wrong_choice("--posture", posture, ("allow", "enforce"))
    chosen, _ = load_policy(request)
    made = render(target, chosen, known[posture], version=__version__)
    _warn(chosen, known[posture])
    if output != "text":
        from preflight.report import document

        sys.stdout.write(document.render(_document(made, chosen, known[posture]), output))
    elif file:
        sys.stdout.write(_file(made, file))
    elif commands:
        sys.stdout.write("".join(f"{line}\n" for line in made.commands))
    else:
        sys.stdout.write(_text(made))
    return 0


def _warn(policy: Policy, posture: Posture) -> None:
    if posture.value == "enforce" and not policy.cluster.sources.admins:
        print(
            "nodeprep: no admins are named (sources.admins, --source admins=CIDR): under enforce "
            "nobody can log in over SSH",
            file=sys.stderr,
        )


def _file(made: Artefact, name: str) -> str:
    if name not in made.files:
        names = ", ".join(made.files) or "none"
        raise UsageError(f"no file is called {name!r} for {made.target}; there are {names}")
    return made.files[name]


def _text(made: Artefact) -> str:
    """One file as it is; several one after the other, each below its name."""
    if len(made.files) == 1:
        return next(iter(made.files.values()))
    return "\n".join(f"==> {name} <==\n{text}" for name, text in made.files.items())


def _document(made: Artefact, policy: Policy, posture: Posture) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "kind": "FirewallRules",
        "target": made.target,
        "role": policy.role.value,
        "posture": posture.value,
        "digest": made.digest,
        "files": [{"name": name, "text": text} for name, text in made.files.items()],
        "commands": list(made.commands),
    }
