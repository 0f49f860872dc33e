"""What `cni doctor` says of a node without a pod network, and of ranges that nobody named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cni.node import node
from tests.kernel import require_kernel

ROOT = Path(__file__).parents[2]
SCRIPT = """\
nodeprep cni doctor || echo "ended with $?"
nodeprep cni install --pod-cidr 10.244.1.0/24 > /dev/null 2>&1
nodeprep cni doctor
cat > cluster.yaml <<'END'
networking: {podSubnet: 10.244.1.0/24}
END
nodeprep cni doctor --config cluster.yaml
"""


@pytest.mark.kernel
def test_nothing_laid_down_is_not_healthy_and_a_range_of_the_node_is_not_the_clusters() -> None:
    require_kernel()
    done = node(f"cd $(mktemp -d -p /run)\nexport PYTHONPATH={ROOT}\n{SCRIPT}")
    absent, verdict, code, *laid = done.stdout.splitlines()
    assert absent == (
        "UNKNOWN there is no pod network to look at: /etc/cni/net.d: has no network "
        "configuration; run: nodeprep cni install"
    )
    assert verdict.startswith("undetermined: ")
    assert code == "ended with 3"
    # Without a cluster file nobody said what the cluster's range is; with one, it is this node's.
    assert laid[0].startswith("healthy: ")
    assert "10.244.1.0/24 is the whole pod range of the cluster" in laid[1]
    assert laid[-1].startswith("healthy: ")
