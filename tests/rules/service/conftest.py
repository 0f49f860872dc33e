"""Networks of machines that tests share: making one takes longer than most of what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.kernel import require_kernel
from tests.rules.service.network import Network

CLUSTER = """\
kubernetesVersion: "1.37"
networking: {podSubnet: "10.244.0.0/16,fd00:244::/56", serviceSubnet: "10.96.0.0/16,fd00:96::/112"}
cni: {name: flannel, mode: vxlan}
nodes:
  - {name: m1, role: multi-master, addresses: [192.0.2.11, "2001:db8::11"]}
  - {name: m2, role: multi-master, addresses: [192.0.2.12, "2001:db8::12"]}
  - {name: m3, role: multi-master, addresses: [192.0.2.13, "2001:db8::13"]}
  - {name: w1, role: worker, addresses: [192.0.2.21, "2001:db8::21"]}
sources:
  admins: [203.0.113.0/24, "2001:db8:ad::/48"]
  nodePorts: [198.51.100.0/24, "2001:db8:c::/48"]
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Three masters, a worker, and a stranger in the same subnet who is nobody's source."""
    require_kernel()
    last = {"m1": "11", "m2": "12", "m3": "13", "w1": "21", "stranger": "99"}
    addresses = {name: (f"192.0.2.{end}/24", f"2001:db8::{end}/64") for name, end in last.items()}
    with closing(Network(tmp_path_factory.mktemp("network"), CLUSTER, addresses)) as made:
        yield made
