"""Policy -> the rules of both hooks in order, in no target's words. Pure.

What every renderer writes: after loopback and established connections, each ``Row`` lets packets
through; under ``enforce`` INPUT then drops the rest, and FORWARD drops what is left for pods.
"""

from __future__ import annotations

import hashlib
import json
import re

from rules.access import Admission, Hook, let_through, pod_traffic
from rules.cluster import IPNetwork
from rules.flows import Flow, Group, Protocol
from rules.policy import Policy
from rules.record import record
from rules.render import Posture

# Raised when the same policy is written in other rules, so that older ones show as drifted.
FORMAT = 1
PODS_TO_ANYWHERE = "pods-to-anywhere"
NODES_TO_PODS = "nodes-to-pods"


@record
class Row:
    """What one rule lets through: all of the fields that are not empty or None must hold.

    ``sources`` and ``destinations`` are disjoint and sorted; empty: the whole family.
    ``original_port``: ``ports`` are those before DNAT.
    """

    flow: str
    hook: Hook
    family: int
    protocol: Protocol | None = None
    ports: tuple[int, int] | None = None
    icmp_types: tuple[int, ...] = ()
    sources: tuple[IPNetwork, ...] = ()
    destinations: tuple[IPNetwork, ...] = ()
    original_port: bool = False

    @property
    def label(self) -> str:
        """How errors call it: ``kubelet-api (10250/tcp, IPv4)``."""
        what = "" if self.protocol is None else self.protocol.value
        if self.ports is not None:
            first, last = self.ports
            what = f"{first if first == last else f'{first}-{last}'}/{what}"
        return f"{self.flow} ({', '.join(filter(None, (what, f'IPv{self.family}')))})"


@record
class Plan:
    """Everything that a renderer needs. ``pods``: the pod networks of each family that has some.

    ``flows``: the flows by id, for their words. ``set_names``: networks -> a word for them.
    """

    role: str
    posture: Posture
    digest: str
    version: str
    rows: tuple[Row, ...]
    pods: dict[int, tuple[IPNetwork, ...]]
    flows: dict[str, Flow]
    set_names: dict[tuple[IPNetwork, ...], str]

    @property
    def enforce(self) -> bool:
        """Whether the rest is dropped."""
        return self.posture is Posture.ENFORCE

    def hook_rows(self, hook: Hook, *families: int) -> tuple[Row, ...]:
        """The rows of a hook, in order; of all families, or of those named."""
        wanted = families or (4, 6)
        return tuple(row for row in self.rows if row.hook is hook and row.family in wanted)


def make_plan(policy: Policy, posture: Posture, *, version: str = "") -> Plan:
    """The plan of a policy. Raises UsageError as ``rules.access.let_through`` does."""
    traffic = pod_traffic(policy)
    pods = {item.family: item.pods for item in traffic}
    admitted = let_through(policy)
    rows = [_row(item, ()) for item in admitted if item.hook is Hook.INPUT]
    for item in traffic:
        rows.append(Row(PODS_TO_ANYWHERE, Hook.FORWARD, item.family, sources=item.pods))
        rows += [
            _row(one, item.pods)
            for one in admitted
            if one.hook is Hook.FORWARD and one.family == item.family
        ]
        if item.nodes:
            rows.append(
                Row(
                    NODES_TO_PODS,
                    Hook.FORWARD,
                    item.family,
                    sources=item.nodes,
                    destinations=item.pods,
                )
            )
    return Plan(
        role=policy.role.value,
        posture=posture,
        digest=_digest(policy, posture, rows),
        version=version,
        rows=tuple(rows),
        pods=pods,
        flows={flow.id: flow for flow in (*policy.optional, *policy.flows)},
        set_names=_set_names(policy, rows),
    )


def _row(admission: Admission, destinations: tuple[IPNetwork, ...]) -> Row:
    return Row(
        flow=admission.flow,
        hook=admission.hook,
        family=admission.family,
        protocol=admission.protocol,
        ports=admission.ports,
        icmp_types=admission.icmp_types or (),
        sources=() if admission.from_anywhere else admission.sources,
        destinations=destinations,
        original_port=admission.original_port,
    )


def _digest(policy: Policy, posture: Posture, rows: list[Row]) -> str:
    texts: dict[tuple[IPNetwork, ...], str] = {}

    def text(networks: tuple[IPNetwork, ...]) -> str:
        if networks not in texts:
            texts[networks] = ",".join(map(str, networks))
        return texts[networks]

    content = [
        (
            row.flow,
            row.hook.value,
            row.family,
            row.protocol,
            row.ports,
            row.icmp_types,
            text(row.sources),
            text(row.destinations),
            row.original_port,
        )
        for row in rows
    ]
    whole = json.dumps([FORMAT, policy.role.value, posture.value, content])
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _set_names(policy: Policy, rows: list[Row]) -> dict[tuple[IPNetwork, ...], str]:
    """A word of letters, digits and underscores for each list of networks, each its own.

    The group where one group alone sends a flow, else the first flow that uses the list.
    """
    groups = {flow.id: flow.sources for flow in policy.flows}
    names: dict[tuple[IPNetwork, ...], str] = {}
    taken: set[str] = set()

    def name(networks: tuple[IPNetwork, ...], word: str, family: int) -> None:
        if not networks or networks in names:
            return
        # Flow ids are ours, but a name is no place to trust anybody.
        stem = re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_")[:20] or "set"
        if not stem[0].isalpha():
            stem = f"s{stem}"
        candidate, count = f"{stem}_v{family}", 1
        while candidate in taken:
            count += 1
            candidate = f"{stem}_{count}_v{family}"
        taken.add(candidate)
        names[networks] = candidate

    for row in rows:
        if row.flow == PODS_TO_ANYWHERE:
            name(row.sources, Group.PODS.value, row.family)
        elif row.flow == NODES_TO_PODS:
            name(row.sources, Group.NODES.value, row.family)
    for row in rows:
        sources = groups.get(row.flow, frozenset())
        name(row.sources, next(iter(sources)).value if len(sources) == 1 else row.flow, row.family)
    return names
