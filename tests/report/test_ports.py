"""The listing of a role and the whole matrix, in every format."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from preflight.report import portpages, ports
from preflight.report.document import render
from preflight.report.ports import Listing
from rules.cluster import Cluster, CniChoice, Role
from rules.cnis import PROFILES, find
from rules.policy import policy
from rules.version import NEWEST

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "ports.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
PAGE = ROOT / "docs" / "ports.md"


def listing(
    role: Role = Role.MULTI_MASTER, cni: str = "flannel", mode: str = "", *, every: bool = False
) -> Listing:
    choice = CniChoice(cni, mode)
    made = policy(role, Cluster(cni=choice))
    return Listing(
        made, NEWEST, "given", *find(choice), optional=made.optional if every else ()
    )  # fmt: skip


def checked(value: dict[str, Any]) -> dict[str, Any]:
    VALIDATOR.validate(value)
    return value


@pytest.mark.sweep
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("name", list(PROFILES))
def test_the_document_follows_the_published_schema(role: Role, name: str) -> None:
    for mode in PROFILES[name].modes:
        checked(ports.document(listing(role, name, mode.name, every=True)))


def test_the_whole_matrix_follows_it_too() -> None:
    value = checked(portpages.matrix_document())
    assert value["role"] is None
    assert [network["name"] for network in value["networks"]] == list(PROFILES)
    ids = [row["id"] for row in value["rows"]]
    assert len(ids) == len(set(ids))
    named = {
        row for network in value["networks"] for mode in network["modes"] for row in mode["rows"]
    }
    assert named <= set(ids)


def test_json_and_yaml_are_the_same_with_sorted_keys() -> None:
    value = ports.document(listing())
    printed = render(value, "json")
    assert list(json.loads(printed)) == sorted(json.loads(printed))
    assert json.loads(printed) == yaml.safe_load(render(value, "yaml"))


def test_a_row_in_json() -> None:
    rows = {row["id"]: row for row in ports.document(listing())["rows"]}
    assert rows["kube-apiserver"] == {
        "id": "kube-apiserver",
        "component": "kube-apiserver",
        "protocol": "tcp",
        "protocol_number": 6,
        "ports": [6443, 6443],
        "icmp_types": [],
        "access": "open",
        "sources": ["admins", "load-balancers", "nodes", "pods"],
        "roles": ["multi-master"],
        "families": [4],
        "since": None,
        "until": None,
        "process": "kube-apiserver",
        "binds": True,
        "bind": "any",
        "optional": False,
        "when": "",
        "why": "every node, controller and operator talks to the Kubernetes API",
        "source": "https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    }
    assert rows["kube-scheduler"]["access"] == "local"
    assert rows["control-plane-to-pods"]["access"] == "forward"
    assert rows["ssh"]["bind"] is None


def test_text_tells_open_from_not_to_be_opened() -> None:
    printed = ports.text(listing())
    opened, rest = printed.split("Do not open: for this node only")
    assert "6443/tcp" in opened
    assert "10257/tcp" not in opened
    assert "10257/tcp" in rest
    assert "loopback" in rest
    assert "more that only some clusters need: --all" in rest
    assert "flannel/vxlan" in opened.splitlines()[0]


def test_text_shows_the_mtu_of_the_mode() -> None:
    def line(cni: str, mode: str) -> str:
        text = ports.text(listing(cni=cni, mode=mode))
        return next(line for line in text.splitlines() if line.startswith("  MTU"))

    assert line("flannel", "vxlan") == (
        "  MTU      on a link of 1500: 50 bytes off over IPv4 (pods get 1450), "
        "70 bytes off over IPv6 (pods get 1430)"
    )
    assert line("calico", "ipip").endswith("(pods get 1480), not possible over IPv6")


def test_all_lists_the_optional_rows_with_their_condition() -> None:
    printed = ports.text(listing(every=True))
    assert "Only in some clusters" in printed
    assert "protocol 112 (vrrp)" in printed
    assert "(when NodeLocal DNSCache runs)" in printed
    assert "--all" not in printed


def test_columns_are_aligned() -> None:
    lines = [line for line in ports.text(listing()).splitlines() if "/tcp  " in line]
    components = ("kube-apiserver", "etcd", "kubelet", "kube-", "sshd")
    starts = {
        min(line.index(f"  {word}") for word in components if f"  {word}" in line)
        for line in lines
    }  # fmt: skip
    assert len(starts) == 1


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_a_terminal_s_width_is_kept(width: int) -> None:
    for role in Role:
        for line in ports.text(listing(role, "cilium", every=True), width=width).splitlines()[1:]:
            words = max((len(word) for word in line.split()), default=0)
            assert len(line) <= max(width, 11 + words), line


def test_an_etcd_member_has_no_pod_network() -> None:
    assert "Pod network" not in ports.text(listing(Role.ETCD))
    assert ports.document(listing(Role.ETCD))["networks"] == []
    assert "Pod network" not in portpages.markdown(listing(Role.ETCD))


def test_what_is_elsewhere_is_said() -> None:
    printed = ports.text(listing(Role.WORKER, "nsx-ncp"))
    assert "443/tcp, from nodes to NSX Manager" in printed


def test_markdown_tables_are_whole() -> None:
    for page in (portpages.markdown(listing(every=True)), portpages.matrix_markdown()):
        tables = 0
        columns = 0
        for line in page.splitlines():
            if line.startswith("| ---"):
                tables += 1
                columns = line.count("|")
            elif line.startswith("|") and tables:
                assert line.replace("\\|", "").count("|") in (columns, *range(6, 9)), line
        assert tables >= 3


def test_the_matrix_as_text_has_a_line_for_each_row() -> None:
    lines = portpages.matrix_text().splitlines()
    assert len(lines) == len(portpages.matrix_document()["rows"])
    assert any("-1.18" in line and line.startswith("10251/tcp") for line in lines)


def test_ports_page_in_docs_is_the_programs() -> None:
    expected = portpages.matrix_markdown()
    if os.environ.get("NODEPREP_UPDATE_DOCS") == "1":
        PAGE.write_text(expected)
    assert PAGE.read_text() == expected, "run: make docs"
