"""What other tools let in against the policy, flow by flow: the table of docs/cloud.md."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from rules.cloud.plan import CloudPlan
from rules.cloud.reach import Reach
from rules.render.cloud import cloud_rules
from rules.space import Space
from tests.rules.cloud.others import CLUSTER, MASTERS, TOOLS, WORLD, let
from tests.rules.cloud.plans import plan_of

PAGE = Path(__file__).parents[3] / "docs" / "cloud.md"
BEGIN, END = "<!-- others -->\n", "<!-- end of others -->\n"
RECEIVERS = {MASTERS: "masters", "worker": "workers"}
SENDERS = {"role:multi-master": "masters", "role:worker": "workers"}
# One address of each kind, the widest kind first.
KINDS = {
    "the world": "198.51.100.7",
    "the network": "10.0.0.9",
    "pods": "10.244.0.9",
    "operators": "203.0.113.9",
}
FLOWS = (
    "kube-apiserver", "etcd-client", "etcd-peer", "kubelet-api", "kubelet-metrics",
    "node-ports-tcp", "node-ports-udp", "calico-bgp", "calico-ipip", "icmp-errors", "icmp-echo",
    "ssh",
)  # fmt: skip


def packets(plan: CloudPlan, flow: str) -> Reach:
    """Every packet that looks like one of the flow, from anybody, to those who get the flow.

    NodePorts are looked at on masters too, where nobody needs them.
    """
    grants = [grant for grant in plan.grants if grant.flow == flow]
    assert grants, flow
    to = {MASTERS} if flow.startswith("node-ports") else set()
    return Reach.of_rules(
        rule
        for grant in grants
        for rule in let(
            tuple(to | {grant.receiver}),
            (WORLD,),
            grant.protocol,
            *([grant.ports] if grant.ports else []),
        )
    )


def who(space: Space) -> str:
    """The widest kind of address that may send some of it."""
    for word, text in KINDS.items():
        if any(
            first <= int(ip_address(text)) <= last
            for _, plane in space.planes
            for first, last, _ in plane
        ):
            return word
    raise AssertionError(space)


def said(part: Reach) -> str:
    """Who to whom, as few words as will do."""
    senders: dict[str, list[str]] = {}
    for (receiver, _, sender), space in part.spaces:
        senders.setdefault(RECEIVERS[receiver], []).append(SENDERS.get(sender) or who(space))
    found: dict[str, list[str]] = {}
    for receiver, words in senders.items():
        kinds = ["nodes", *words] if {"masters", "workers"} <= set(words) else words
        kinds = [word for word in kinds if "nodes" not in kinds or word not in RECEIVERS.values()]
        text = "the world" if "the world" in kinds else " and ".join(dict.fromkeys(kinds))
        found.setdefault(text, []).append(receiver)
    return ", ".join(f"{text} to {' and '.join(to)}" for text, to in found.items())


def verdict(plan: CloudPlan, flow: str, tool: Reach) -> str:
    needed = Reach.of_grants(grant for grant in plan.grants if grant.flow == flow)
    wanted = Reach.of_grants(plan.grants)
    missing = needed - tool
    extra = (tool & packets(plan, flow)) - wanted
    parts = [f"lacks {said(missing)}"] if missing else []
    parts += [f"opens {said(extra)}"] if extra else []
    return "; ".join(parts) or "as needed"


def table() -> str:
    plan = plan_of(CLUSTER)
    reaches = {name: Reach.of_rules(rules, (4,)) for name, rules in TOOLS.items()}
    ours = Reach.of_rules(cloud_rules("aws", plan).rules, (4,))
    columns = {**reaches, "nodeprep": ours}
    lines = [f"| flow | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for flow in FLOWS:
        cells = [verdict(plan, flow, reach) for reach in columns.values()]
        lines.append(f"| `{flow}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_the_table_in_docs_is_what_comes_out() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    expected = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if os.environ.get("NODEPREP_UPDATE_DOCS") == "1":
        PAGE.write_text(expected, encoding="utf-8")
        text = expected
    assert text == expected, "run: make docs"


@pytest.mark.parametrize(
    ("tool", "flow", "expected"),
    [
        ("Cluster API, AWS", "node-ports-tcp", "opens the world to masters"),
        ("Cluster API, AWS", "node-ports-udp", "lacks the world to workers"),
        ("Cluster API, Google", "etcd-client", "opens workers to masters"),
        ("kops, AWS", "etcd-peer", "as needed"),
        ("kops, AWS", "etcd-client", "opens workers to masters"),
        ("kubespray, AWS", "ssh", "opens the world to masters and workers"),
    ],
)
def test_what_the_reference_says_of_others_comes_out(tool: str, flow: str, expected: str) -> None:
    plan = plan_of(CLUSTER)
    assert expected in verdict(plan, flow, Reach.of_rules(TOOLS[tool], (4,)))


def test_ours_is_as_needed_for_every_flow() -> None:
    plan = plan_of(CLUSTER)
    ours = Reach.of_rules(cloud_rules("aws", plan).rules, (4,))
    assert {verdict(plan, grant.flow, ours) for grant in plan.grants} == {"as needed"}
