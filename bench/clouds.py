"""A cluster of 10,000 nodes for each cloud and format: `nodeprep cloud render`, whole processes.

Nodes are named by their groups, and by their addresses; a cloud that has no room for so many
addresses refuses, with numbers, and exits with 2.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.firewall import NODES, cluster
from bench.process import side_by_side, table

# What some clouds cannot tell apart; to Cluster API's provider for AWS a master is a node.
WIDER = "icmp-errors,icmp-echo,node-ports-tcp,node-ports-udp"
MOST_RUNS = 5


def run(runs: int) -> str:
    from rules.cloud import CAPI, CLOUDS, load
    from rules.render.cloud import formats

    nodeprep = str(Path(sys.executable).with_name("nodeprep"))
    with tempfile.TemporaryDirectory() as place:
        config = Path(place) / "nodes.yaml"
        config.write_text(cluster(nodes=NODES).replace("name: bridge", "name: flannel"))
        rows = {}
        for flags in ((), ("--by-address",)):
            for cloud in CLOUDS:
                if not (flags or load(cloud).ABILITIES.references):
                    continue
                for form in formats(cloud):
                    name = "capi" if cloud in CAPI else cloud
                    words = ("cloud", "render", name, "--format", form, *flags)
                    more = ("--config", str(config), "--allow-widening", WIDER)
                    rows[f"nodeprep {' '.join(words)}"] = [nodeprep, *words, *more]
        samples = side_by_side(list(rows.values()), min(runs, MOST_RUNS))
    return f"{NODES:,} nodes, each with its address:\n\n{table(list(rows), samples, cpu=True)}"
