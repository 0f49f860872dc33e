"""Documents with anything in the place of a value: found, passed over or one error, no more."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.cloudlint.read import read
from rules.cloudlint.registry import judge
from rules.errors import NodeprepError
from rules.parse.cloud.detect import detect
from tests.cli.test_cloud_audit import STATE

GOLDENS = Path(__file__).parents[1] / "goldens" / "cloud"
NAMES = ("aws-json", "aws-cloudformation", "gcp-json", "azure-arm", "openstack-heat")
# What Terraform has for each of these clouds, in its JSON syntax.
TERRAFORM = {"resource": {
    "aws_security_group": {"a": {"name": "a", "description": "b", "ingress": [
        {"protocol": "tcp", "from_port": 1, "to_port": 2, "cidr_blocks": ["192.0.2.0/24"],
         "security_groups": ["${aws_security_group.a.id}"], "self": True}]}},
    "google_compute_firewall": {"a": {"name": "a", "source_ranges": ["192.0.2.0/24"], "allow": [
        {"protocol": "tcp", "ports": ["1-2"]}], "priority": 1, "target_tags": ["a"]}},
    "azurerm_network_security_group": {"a": {"name": "a", "security_rule": [
        {"name": "a", "priority": 100, "direction": "Inbound", "access": "Allow",
         "protocol": "Tcp", "source_address_prefix": "*", "destination_port_range": "80",
         "destination_address_prefix": "*"}]}},
    "openstack_networking_secgroup_rule_v2": {"a": {
        "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 1,
        "port_range_max": 2, "remote_ip_prefix": "192.0.2.0/24",
        "security_group_id": "${openstack_networking_secgroup_v2.a.id}"}},
}}  # fmt: skip
TREES: dict[str, Any] = {
    **{name: yaml.safe_load((GOLDENS / f"{name}.txt").read_text()) for name in NAMES},
    "terraform": TERRAFORM,
    "state": STATE,
}
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(["-1", "*", "${x}", "[x]", "0.0.0.0/0", "::/0", "sg-1", "pl-1", "x-y-z", "٣"]),
    st.just([]),
    st.just({}),
    st.just([None, {}, [[]], "x"]),
    st.just({"Ref": ["x"]}),
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree))
    found: list[tuple[Any, ...]] = []
    for key in keys:
        found.append((*path, key))
        if isinstance(tree[key], dict | list):
            found += places(tree[key], (*path, key))
    return found


PLACES = {name: places(tree) for name, tree in TREES.items()}


@pytest.mark.parametrize("name", TREES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_anything_in_any_place(name: str, data: st.DataObject) -> None:
    tree = copy.deepcopy(TREES[name])
    *above, last = data.draw(st.sampled_from(PLACES[name]))
    here = tree
    for key in above:
        here = here[key]
    here[last] = data.draw(JUNK)
    # Anything but an error of ours is a fault of ours.
    with contextlib.suppress(NodeprepError):
        for part in detect(json.dumps(tree), "file"):
            for one in judge(read(part)):
                assert one.message
                assert one.where
