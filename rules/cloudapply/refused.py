"""Why a change in a cloud is not made."""

from __future__ import annotations

from collections.abc import Container

from rules.cloud.document import CloudRules
from rules.errors import EXIT_FAILED, NodeprepError


def refuse_absent(rules: CloudRules, there: Container[str]) -> None:
    """Raises Refused where rules refer to a role's group that nobody makes. ``there``: names."""
    for role in rules.elsewhere:
        if rules.names[role] not in there:
            raise Refused(
                f"rules of {', '.join(rules.plan.receivers)} refer to {rules.names[role]}, which "
                "is not there: apply all roles first"
            )


class Refused(NodeprepError):
    """The change was not begun; ``str()`` says why. Nothing was written."""

    exit_code = EXIT_FAILED
