"""Policy -> the rules of both hooks in order, in no target's words. Pure.

What every renderer writes: after loopback and established connections, each ``Row`` lets packets
through; under ``enforce`` INPUT then drops the rest, and FORWARD drops what is left for pods.
"""

from __future__ import annotations

import hashlib
import json

from rules.access import Admission, Hook, Senders, let_through, pod_traffic
from rules.flows import Flow, Group, Protocol
from rules.policy import Policy
from rules.record import record
from rules.render import Posture
from rules.render.addresses import AddressBook, AddressList

# Raised when the same policy is written in other rules, so that older ones show as drifted.
FORMAT = 2
PODS_TO_ANYWHERE = "pods-to-anywhere"
NODES_TO_PODS = "nodes-to-pods"


@record
class Row:
    """What one rule lets through: all of the fields that are not empty or None must hold.

    ``sources`` and ``destinations`` None: the whole family. ``original_port``: ``ports`` are
    those before DNAT.
    """

    flow: str
    hook: Hook
    family: int
    protocol: Protocol | None = None
    ports: tuple[int, int] | None = None
    icmp_types: tuple[int, ...] = ()
    sources: AddressList | None = None
    destinations: AddressList | None = None
    original_port: bool = False

    @property
    def what(self) -> str:
        """The packets, as a person writes them: ``10250/tcp``, ``icmp type 8``, ``ipip``."""
        if self.protocol is None:
            return "all protocols"
        if self.ports is not None:
            first, last = self.ports
            ports = f"{first if first == last else f'{first}-{last}'}/{self.protocol.value}"
            return f"{ports} before address translation" if self.original_port else ports
        if self.icmp_types:
            return f"{self.protocol.value} type {','.join(map(str, self.icmp_types))}"
        return self.protocol.value

    @property
    def label(self) -> str:
        """How errors call it: ``kubelet-api (10250/tcp, IPv4, input)``."""
        return f"{self.flow} ({self.what}, IPv{self.family}, {self.hook.value})"


@record
class Plan:
    """Everything that a renderer needs.

    ``lists``: the address lists that the rows use, the pods' first. ``pods``: the pods' list of
    each family that has some. ``flows``: the policy's flows by id, for their words.
    """

    role: str
    posture: Posture
    digest: str
    version: str
    rows: tuple[Row, ...]
    lists: tuple[AddressList, ...]
    pods: dict[int, AddressList]
    flows: dict[str, Flow]

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
    senders, book = Senders(policy.cluster), AddressBook()
    flows = {flow.id: flow for flow in (*policy.optional, *policy.flows)}
    admitted = let_through(policy, senders)
    pods: dict[int, AddressList] = {}
    forward: list[Row] = []
    for traffic in pod_traffic(policy, senders):
        family = traffic.family
        listed = book.find(traffic.pods, Group.PODS.value)
        if listed is None:
            continue
        pods[family] = listed
        nodes = book.find(traffic.nodes, Group.NODES.value)
        forward.append(Row(PODS_TO_ANYWHERE, Hook.FORWARD, family, sources=listed))
        forward += [
            _row(one, flows, book, listed)
            for one in admitted
            if one.hook is Hook.FORWARD and one.family == family
        ]
        if nodes is not None:
            forward.append(
                Row(NODES_TO_PODS, Hook.FORWARD, family, sources=nodes, destinations=listed)
            )
    rows = [_row(one, flows, book, None) for one in admitted if one.hook is Hook.INPUT] + forward
    return Plan(
        role=policy.role.value,
        posture=posture,
        digest=_digest(policy, posture, rows),
        version=version,
        rows=tuple(rows),
        lists=book.lists(),
        pods=pods,
        flows=flows,
    )


def _row(
    admission: Admission, flows: dict[str, Flow], book: AddressBook, pods: AddressList | None
) -> Row:
    """A list is called after the group where one alone sends the flow, else after the flow."""
    flow = flows.get(admission.flow)
    groups = flow.sources if flow is not None else frozenset()
    word = next(iter(groups)).value if len(groups) == 1 else admission.flow
    return Row(
        flow=admission.flow,
        hook=admission.hook,
        family=admission.family,
        protocol=admission.protocol,
        ports=admission.ports,
        icmp_types=admission.icmp_types or (),
        sources=None if admission.from_anywhere else book.find(admission.sources, word),
        destinations=pods,
        original_port=admission.original_port,
    )


def _digest(policy: Policy, posture: Posture, rows: list[Row]) -> str:
    content = [
        (
            row.flow,
            row.hook.value,
            row.family,
            row.protocol,
            row.ports,
            row.icmp_types,
            row.sources and row.sources.key,
            row.destinations and row.destinations.key,
            row.original_port,
        )
        for row in rows
    ]
    whole = json.dumps([FORMAT, policy.role.value, posture.value, content])
    return hashlib.sha256(whole.encode()).hexdigest()[:16]
