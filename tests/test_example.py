"""docs/examples/node.json: the node that README shows, made from the healthy one."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from preflight.facts.model import Facts, known
from preflight.facts.model.kernel import SwapArea
from preflight.facts.model.ports import Listener
from preflight.facts.store import document, load
from tests.nodes import healthy, kernel, ports, runtime

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "node.json"


def example() -> Facts:
    """A worker with swap on, forwarding off, a foreign kubelet and the rest of an old cluster."""
    return replace(
        healthy(),
        kernel=replace(
            kernel.healthy(),
            swaps=(SwapArea("/dev/vda2", "partition", 2 * 1024**3),),
            sysctls={**kernel.healthy().sysctls, "net.ipv4.ip_forward": "0"},
        ),
        runtime=replace(runtime.healthy(), leftovers=("/etc/kubernetes/kubelet.conf",)),
        ports=replace(
            known(ports.healthy()),
            listeners=(
                Listener("tcp", ip_address("::"), 10250, 812, "k3s-agent", "k3s-agent.service"),
            ),
        ),
    )


def test_example_node_of_the_docs_is_a_facts_file() -> None:
    text = json.dumps(document(example()), indent=1, sort_keys=True) + "\n"
    if os.environ.get("NODEPREP_UPDATE_DOCS") == "1":
        EXAMPLE.write_text(text)
    assert EXAMPLE.read_text() == text, "run: make docs"
    assert load(str(EXAMPLE)) == example()
