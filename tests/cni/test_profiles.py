"""`cni profiles`: every product, and one held against a node."""

from __future__ import annotations

import json

import pytest

from preflight.runs.cni_profiles import run_profiles
from rules.cnis import PROFILES
from rules.errors import UsageError
from tests.cni.node import node
from tests.cni.schemas import valid
from tests.kernel import require_kernel

# The products that a user names, by whatever name.
NAMED = ("flannel", "calico", "cilium", "weave", "antrea", "nsx-ncp", "infoblox", "kube-router",
         "kindnet", "bridge", "ptp", "vlan", "ipvlan", "macvlan", "host-device")  # fmt: skip


def test_all_products(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_profiles(name="", config="", output="json") == 0
    document = valid(capsys.readouterr().out, "cni-profiles")
    found = {item["name"]: item for item in document["profiles"]}
    assert set(found) == set(PROFILES) >= set(NAMED)
    assert found["flannel"]["overhead_bytes"] == 50
    assert "10-nsx.conflist" in found["nsx-ncp"]["conf_files"]
    assert run_profiles(name="", config="", output="text") == 0
    assert capsys.readouterr().out.count("\n") == len(PROFILES) + 1


def test_an_unknown_product_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="flannel"):
        run_profiles(name="flanel", config="", output="text")


@pytest.mark.kernel
def test_a_product_that_this_node_lacks_something_for() -> None:
    require_kernel()
    done = node(
        "mkdir -p /run/flannel; echo FLANNEL_NETWORK=10.99.0.0/16 > /run/flannel/subnet.env\n"
        "ip link set up0 mtu 1300\n"
        "nodeprep cni profiles weave -o json || test $? = 1",
    )
    document = valid(done.stdout, "cni-profiles")
    (item,) = document["profiles"]
    assert (item["name"], item["overhead_bytes"]) == ("weave", 87)
    by_id = {found["id"]: found["status"] for found in document["findings"]}
    assert {"kernel-modules", "port-free", "mtu-fits", "cni-product-ready"} <= set(by_id)
    assert json.dumps(document)
