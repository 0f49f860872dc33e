"""The collection's own Python: how options become flags, and an inventory becomes a cluster."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.ansible.load import load

NODEPREP = load("module_utils/nodeprep")
NODES = load("filter/nodes")
GROUPS = {"kube_control_plane": ["m1"], "kube_node": ["m1", "w1", "w2"], "etcd": ["m1"]}


class Failed(Exception):
    """What fail_json ends a module with."""


class Module(SimpleNamespace):
    """As far as AnsibleModule is asked; ``printed`` is what the program prints."""

    def __init__(self, printed: str = "{}", code: int = 0, **params: Any) -> None:
        super().__init__(params={"executable": "nodeprep", **params}, check_mode=False, _diff=True)
        self.argument_spec = self.params
        self.printed, self.code = printed, code
        self.asked: list[tuple[list[str], dict[str, str]]] = []

    def get_bin_path(self, name: str, **_: Any) -> str:
        return f"/usr/local/bin/{name}"

    def run_command(self, argv: list[str], **options: Any) -> tuple[int, str, str]:
        self.asked.append((argv, options["environ_update"]))
        self.options = options
        return self.code, self.printed, "note\nnodeprep: /x: is no YAML\n"

    def fail_json(self, msg: str, **_: Any) -> None:
        raise Failed(msg)


@pytest.mark.parametrize(
    "value", ["--force", "a b", "$(id)", "a;b", "x\ny", "{{ 7*7 }}", "é" * 300, "'\"", "\x1b[31m"]
)
def test_a_hostile_value_stays_one_value(value: str) -> None:
    module = Module(hostname=value, force=False, offline=True, only=["a", value], phase=None)
    flags = NODEPREP.Nodeprep(module).flags_but("phase")
    assert flags == [f"--hostname={value}", "--offline", f"--only=a,{value}"]


def test_nought_is_a_value_and_not_left_out() -> None:
    module = Module(confirm_within=0, node_index=0, mtu=None, cni="", force=False)
    flags = NODEPREP.Nodeprep(module).flags("confirm_within", "node_index", "mtu", "cni", "force")
    assert flags == ["--confirm-within=0", "--node-index=0"]


def test_what_a_shell_would_expand_stays_as_it_is() -> None:
    module = Module(json.dumps({"schema_version": 1}))
    NODEPREP.Nodeprep(module).read(["fix", "--next=cni install --archive=~/$HOME"])
    assert module.options["expand_user_and_vars"] is False


def test_check_mode_is_a_dry_run_and_keeps_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODEPREP_CACHE_DIR", raising=False)
    module = Module(json.dumps({"schema_version": 1, "changed": True, "changes": []}))
    NODEPREP.Nodeprep(module).changing(["fix"])
    module.check_mode = True
    NODEPREP.Nodeprep(module).changing(["fix"])
    (real, real_env), (dry, dry_env) = module.asked
    assert dry == ["/usr/local/bin/nodeprep", "fix", "--dry-run", "--diff", "-o", "json"]
    assert real == [word for word in dry if word != "--dry-run"]
    assert "NODEPREP_CACHE_DIR" not in real_env
    assert dry_env["NODEPREP_CACHE_DIR"] == ""


@pytest.mark.parametrize(
    ("printed", "code", "said"),
    [
        ("", 2, "nodeprep: /x: is no YAML"),
        ("", 0, "nodeprep: /x: is no YAML"),
        ("[]", 0, "nodeprep: /x: is no YAML"),
        ('{"schema_version": 2}', 0, "speaks schema version 2, and this collection knows 1"),
        ('{"schema_version": 1}', 2, "nodeprep: /x: is no YAML"),
    ],
)
def test_what_is_no_document_fails_with_the_programs_own_words(
    printed: str, code: int, said: str
) -> None:
    with pytest.raises(Failed, match=said):
        NODEPREP.Nodeprep(Module(printed, code)).read(["check"])


def test_diff_has_an_item_for_each_object() -> None:
    changes = [{"object": "sysctl a", "before": None, "after": "1"}]
    module = Module(json.dumps({"schema_version": 1, "changed": True, "changes": changes}))
    nodeprep = NODEPREP.Nodeprep(module)
    result = nodeprep.result(nodeprep.changing(["fix"]), "changes")
    assert result["diff"] == [
        {"before_header": "sysctl a", "after_header": "sysctl a", "before": "", "after": "1\n"}
    ]
    assert (result["changed"], result["changes"]) == (True, changes)


def test_roles_are_those_of_the_groups() -> None:
    assert NODES.roles(GROUPS) == {"m1": "master", "w1": "worker", "w2": "worker"}
    many = {"kube_control_plane": ["a", "b"], "kube_node": [], "etcd": ["e", "a"]}
    assert NODES.roles(many) == {"a": "multi-master", "b": "multi-master", "e": "etcd"}
    assert NODES.roles(GROUPS, {"w1": {"nodeprep_role": "etcd"}})["w1"] == "etcd"


@pytest.mark.parametrize(
    ("groups", "variables", "said"),
    [
        ({}, {}, "no hosts in kube_control_plane"),
        (GROUPS, {"w1": {"nodeprep_role": "boss"}}, "nodeprep_role of w1 is 'boss'"),
        (GROUPS, {}, "no address of m1 is known: give it the variable ip"),
        (
            {"kube_node": ["w"]},
            {"w": {"ip": "192.0.2.1", "nodeprep_pod_cidr": "10.0.0.0/8x"}},
            "nodeprep_pod_cidr of w",
        ),
    ],
)
def test_what_the_inventory_does_not_say_is_an_error(
    groups: dict[str, list[str]], variables: dict[str, Any], said: str
) -> None:
    with pytest.raises(NODES.AnsibleFilterError, match=said):
        NODES.nodes(groups, variables)


def variables(**more: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {name: {"ip": f"192.0.2.{n}"} for n, name in enumerate(("m1", "w1", "w2"), 11)}
    return {name: {**said, **more.get(name, {})} for name, said in found.items()}


def ranges(cards: dict[str, Any], wide: str = "10.244.0.0/16", **more: dict[str, Any]) -> list[str]:
    made = NODES.nodes(GROUPS, variables(**more), cards, pod_subnet=wide)
    return [item["podSubnet"] for item in made]


def test_a_pod_range_that_a_node_has_stays_its_own() -> None:
    assert ranges({}) == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]
    had = {"w1": {"node_pod_subnets": ["10.244.0.0/24"]}}
    assert ranges(had) == ["10.244.1.0/24", "10.244.0.0/24", "10.244.2.0/24"]
    # One that is not the cluster's, or is of one family of two, does not count.
    assert ranges({"w1": {"node_pod_subnets": ["10.9.0.0/24"]}}) == ranges({})
    dual = "10.244.0.0/16,fd00:10:244::/56"
    assert ranges(had, dual)[0] == "10.244.0.0/24,fd00:10:244::/64"
    assert ranges({"w1": {"node_pod_subnets": {"reason": "absent"}}}) == ranges({})


def test_a_pod_range_that_the_inventory_gives_is_nobody_elses() -> None:
    given = {"nodeprep_pod_cidr": "10.244.0.0/23"}
    assert ranges({}, w2=given) == ["10.244.2.0/24", "10.244.3.0/24", "10.244.0.0/23"]


@pytest.mark.parametrize(
    ("cards", "given"),
    [
        ({}, {"m1": "10.244.7.0/24", "w2": "10.244.7.0/24"}),
        ({}, {"m1": "10.244.0.0/20", "w1": "10.244.1.0/24", "w2": "10.244.7.0/24"}),
        ({"w1": {"node_pod_subnets": ["10.244.7.0/24"]}}, {"w2": "10.244.7.0/24"}),
    ],
)
def test_a_range_that_is_given_to_two_is_an_error(
    cards: dict[str, Any], given: dict[str, str]
) -> None:
    said: dict[str, Any] = {host: {"nodeprep_pod_cidr": text} for host, text in given.items()}
    with pytest.raises(NODES.AnsibleFilterError, match=r"10\.244\.[17]\.0/24 of w[12] overlap"):
        ranges(cards, **said)


def test_a_range_that_two_have_already_is_for_the_comparison_to_find() -> None:
    twice = {host: {"node_pod_subnets": ["10.244.7.0/24"]} for host in ("m1", "w2")}
    assert ranges(twice) == ["10.244.7.0/24", "10.244.0.0/24", "10.244.7.0/24"]


def test_a_range_that_is_full_is_an_error() -> None:
    with pytest.raises(NODES.AnsibleFilterError, match="has no /24 left for w2"):
        ranges({}, "10.244.0.0/23")
    with pytest.raises(NODES.AnsibleFilterError, match="does not fit"):
        ranges({}, "10.244.0.0/25")


def test_addresses_are_the_inventorys_and_else_the_cards() -> None:
    said = {"m1": {"ansible_host": "192.0.2.5"}, "w1": {"ansible_host": "w1.example.net"}, "w2": {}}
    cards = {name: {"addresses": ["198.51.100.9", "2001:db8::9"]} for name in ("w1", "w2")}
    found = {item["name"]: item["addresses"] for item in NODES.nodes(GROUPS, said, cards)}
    assert found["m1"] == ["192.0.2.5"]
    assert found["w1"] == found["w2"] == ["198.51.100.9", "2001:db8::9"]


def test_what_only_the_controller_can_reach_is_no_address_of_a_node() -> None:
    cards = {name: {"addresses": ["198.51.100.9"]} for name in ("m1", "w1", "w2")}
    for by in ("127.0.0.1", "::1", "fe80::1%eth0", "fe80::1", "0.0.0.0"):  # noqa: S104
        said = {"m1": {"ansible_host": by}, "w1": {"ip": "192.0.2.21"}, "w2": {"ip": "192.0.2.22"}}
        assert NODES.nodes(GROUPS, said, cards)[0]["addresses"] == ["198.51.100.9"]
    # One address and a port for each: a router forwards them.
    said = {host: {"ansible_host": "203.0.113.1"} for host in cards}
    said["w2"]["access_ip"] = "192.0.2.22"
    found = [each["addresses"] for each in NODES.nodes(GROUPS, said, cards)]
    assert found == [["198.51.100.9"], ["198.51.100.9"], ["192.0.2.22"]]


def test_in_a_cluster_of_two_families_the_card_has_the_address_of_the_other() -> None:
    both = "10.244.0.0/16,fd00:10:244::/56,10.96.0.0/12"
    cards = {name: {"addresses": ["192.0.2.9", "2001:db8::9"]} for name in ("m1", "w1", "w2")}
    said = variables(w1={"ip6": "2001:db8::12"}, w2={"nodeprep_addresses": "192.0.2.13"})
    found = [each["addresses"] for each in NODES.nodes(GROUPS, said, cards, subnets=both)]
    assert found == [["192.0.2.11", "2001:db8::9"], ["192.0.2.12", "2001:db8::12"], ["192.0.2.13"]]
    one = NODES.nodes(GROUPS, said, cards, subnets="10.244.0.0/16,10.96.0.0/12")
    assert one[0]["addresses"] == ["192.0.2.11"]
    cards["m1"] = {"addresses": ["192.0.2.11"]}
    assert NODES.nodes(GROUPS, said, cards, subnets=both)[0]["addresses"] == ["192.0.2.11"]
    # Left out instead, the rules would forget it in each run with --limit.
    del cards["m1"]
    with pytest.raises(NODES.AnsibleFilterError, match="no IPv6 address of m1 is known"):
        NODES.nodes(GROUPS, said, cards, subnets=both)


def test_names_are_in_lower_case_as_the_kubelets_are() -> None:
    groups = {"kube_control_plane": ["M1"], "kube_node": ["W1.Example.NET"], "etcd": ["E1"]}
    said = {"M1": {"ip": "192.0.2.11"}, "W1.Example.NET": {"ip": "192.0.2.12"}, "E1": {}}
    cards = {"E1": {"addresses": ["192.0.2.13"]}}
    names = [each["name"] for each in NODES.nodes(groups, said, cards)]
    assert names == ["m1", "w1.example.net", "e1"]
    assert NODES.etcd_endpoints(groups, said) == ["https://e1:2379"]


def test_hosts_of_etcd_alone_are_an_external_etcd() -> None:
    groups = {"kube_control_plane": ["m1"], "etcd": ["m1", "e1", "e2", "e3"]}
    said = {"e1": {"ip": "192.0.2.31"}, "e2": {"ansible_host": "2001:db8::32"}, "e3": {}, "m1": {}}
    assert NODES.etcd_endpoints(groups, said) == [
        "https://192.0.2.31:2379",
        "https://[2001:db8::32]:2379",
        "https://e3:2379",
    ]
    assert NODES.etcd_endpoints(GROUPS, said) == []


def test_of_nodes_with_one_name_or_address_the_first_is_probed() -> None:
    first = {
        "name": "w1",
        "addresses": ["192.0.2.21", "2001:db8::21"],
        "podSubnet": "10.244.1.0/24",
    }
    nodes = [
        first,
        {"name": "W1", "addresses": ["192.0.2.99"]},
        {"name": "w2", "addresses": ["2001:db8:0::21"]},
        {"name": "w3", "addresses": ["192.0.2.23"], "podSubnet": "10.244.0.0/16,fd00::/64"},
        {"name": "w4", "addresses": ["192.0.2.24"], "podSubnet": "10.244.2.0/24"},
    ]
    assert NODES.distinct(nodes) == [
        first,
        {"name": "w3", "addresses": ["192.0.2.23"]},
        nodes[4],
    ]


def test_what_fix_sets_is_no_change_of_the_pod_networks_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = "ansible_collections.nodeprep.kubernetes.plugins.module_utils.nodeprep"
    monkeypatch.setitem(sys.modules, shared, NODEPREP)
    cni = load("modules/cni")
    fixed = {"object": "sysctl net.ipv4.ip_forward", "before": "0\n", "after": "1\n"}
    same = {"object": "sysctl net/ipv4/ip_forward", "before": "0", "after": "1"}
    others = [{**same, "after": "0"}, {**same, "object": "bridge cni0", "after": None}]
    assert cni.left([same, *others], [fixed]) == others
