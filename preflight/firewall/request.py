"""What the firewall part is asked for: the policy, and who asks by which program."""

from __future__ import annotations

import os
import sys

from preflight.firewall.policy import PolicyRequest, load_policy
from rules.lifecycle.apply import Request
from rules.record import record
from rules.words import wrong_choice

SUBJECT = "firewall"


@record
class Wanted:
    """What the flags say is to be in force."""

    policy: PolicyRequest
    posture: str
    backend: str


def make_request(
    wanted: Wanted, *, exact: bool, confirm_within_s: float = 0.0, force: bool = False
) -> Request:
    """What the firewall part is asked for, with the operator's own connection. Raises UsageError
    for a posture that is none, and as ``load_policy``."""
    from preflight import __version__
    from rules.lifecycle.session import operator_session
    from rules.render import Posture

    postures = {posture.value: posture for posture in Posture}
    if wanted.posture not in postures:
        raise wrong_choice("--posture", wanted.posture, ("allow", "enforce"))
    policy, _ = load_policy(wanted.policy)
    return Request(
        policy=policy,
        posture=postures[wanted.posture],
        backend=wanted.backend,
        confirm_within_s=confirm_within_s,
        force=force,
        exact=exact,
        session=operator_session(),
        command=own_command(),
        version=__version__,
    )


def own_command() -> tuple[str, ...]:
    """How this very program is called again, from anywhere."""
    # The starter of the single file leaves its path; the file runs with this very Python again.
    if archive := getattr(sys.modules["__main__"], "ARCHIVE", ""):
        return (sys.executable, archive)
    program = os.path.abspath(sys.argv[0])
    name = os.path.basename(program)
    if name.startswith("nodeprep") and os.access(program, os.X_OK):
        return (program,)
    return (sys.executable, "-m", "preflight")
