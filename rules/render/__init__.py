"""Policy -> the text of one packet filter. Pure; the targets are imported when asked for."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from rules.errors import UsageError
from rules.record import field, record

if TYPE_CHECKING:
    from rules.policy import Policy

TARGETS = ("nftables", "iptables", "ip6tables", "firewalld", "ufw")


class Posture(str, Enum):
    """``allow``: open what is needed and touch nothing else. ``enforce``: also deny the rest."""

    ALLOW = "allow"
    ENFORCE = "enforce"

    def __str__(self) -> str:
        return self.value


@record
class Artefact:
    """What would be loaded, to the byte.

    ``files``: name -> text, in the order in which they are loaded. ``commands``: lines of shell
    that do the same by the target's own program, or that load the files. ``digest``: 16 hex
    digits that stand for everything the policy admits under this posture; the same for every
    target, and read back from the rules themselves (``nodeprep:policy DIGEST`` in a comment).
    """

    target: str
    files: dict[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    digest: str = ""


def render(target: str, policy: Policy, posture: Posture, *, version: str = "") -> Artefact:
    """The policy's rules in the words of one of ``TARGETS``.

    ``version`` is nodeprep's own, for the header. Raises UsageError for an unknown target, for a
    source group without addresses, and for a flow that the target has no words for: it names both.
    """
    if target not in TARGETS:
        raise UsageError(f"no firewall is called {target!r}; known are {', '.join(TARGETS)}")
    from rules.render.plan import make_plan

    plan = make_plan(policy, posture, version=version)
    if target == "nftables":
        from rules.render import nftables

        return nftables.render(plan)
    if target in ("iptables", "ip6tables"):
        from rules.render import iptables

        return iptables.render(plan, 4 if target == "iptables" else 6)
    if target == "firewalld":
        from rules.render import firewalld

        return firewalld.render(plan)
    from rules.render import ufw

    return ufw.render(plan)
