"""Pods let pass by firewalld or ufw: what is ours there, through the backends of the firewall part.

firewalld gets a policy of its own, which comes after those of `nodeprep firewall`, and ufw a block
at the end of its filter tables, behind what the operator allowed or denied. Both bring it back at
boot and after a reload.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rules.backend import BackendError, Texts
from rules.backend.detect import runs
from rules.cluster import IPNetwork
from rules.errors import CommandError
from rules.render.templating import fill

if TYPE_CHECKING:
    from rules.backend.firewalld import Firewalld
    from rules.backend.ufw import Ufw

OWNERS = ("firewalld", "ufw")
# Not of those that `nodeprep firewall` writes and removes: their names begin with `nodeprep-`.
POLICY = "nodeprep_pods"
_COMMENT = "nodeprep-pods"


def wanted_state(owner: str, subnets: Sequence[IPNetwork]) -> str:
    """What ``read`` gives once packets from and to these ranges are let pass.

    Raises CommandError where the owner's rules cannot be told beforehand.
    """
    backend = _backend(owner)
    own = backend.canonical(_texts(owner, subnets))
    if own is None:
        raise CommandError("failed", f"how {owner} holds the rules for pods cannot be tried out")
    return json.dumps(own, sort_keys=True)


def read(owner: str) -> str | None:
    """What is ours there; None for nothing, and where the owner is not installed any more."""
    try:
        own = _backend(owner).read()
    except CommandError as error:
        if error.reason == "absent":
            return None
        raise
    return json.dumps(own, sort_keys=True) if own else None


def write(owner: str, state: str | None) -> None:
    """Puts it in force, or takes ours out. Raises BackendError where the owner does not take it."""
    backend = _backend(owner)
    # Where it does not run, its files are all that there is to take ours out of.
    if (state is not None or runs(owner)) and (obstacle := backend.obstacle()):
        raise BackendError(obstacle)
    backend.restore(json.loads(state) if state is not None else {})
    if state is not None and read(owner) != state:
        raise BackendError(f"{owner} did not take the rules that let pods pass")


def show(state: str) -> str:
    """Each text under its place."""
    return "".join(f"{place}\n{text}" for place, text in json.loads(state).items())


def _backend(owner: str) -> Firewalld | Ufw:
    if owner == "firewalld":
        from rules.backend.firewalld import Firewalld

        return Firewalld(prefix=POLICY)
    from rules.backend.ufw import Ufw
    from rules.render.ufw import PODS_MARK

    return Ufw(mark=PODS_MARK)


def _texts(owner: str, subnets: Sequence[IPNetwork]) -> Texts:
    if owner == "firewalld":
        text = fill("cni/firewalld-policy.xml.j2", policy=POLICY, subnets=subnets)
        return {owner: {f"policies/{POLICY}.xml": text}}
    from rules.backend.ufw import ufw_families
    from rules.render.ufw import CHAINS, PODS_MARK, RULES_FILES

    return {
        owner: {
            RULES_FILES[version]: fill(
                "cni/ufw-before.rules.j2",
                mark=PODS_MARK,
                chain=CHAINS[version],
                comment=_COMMENT,
                subnets=[subnet for subnet in subnets if subnet.version == version],
            )
            for version in ufw_families()
            if any(subnet.version == version for subnet in subnets)
        }
    }
