"""`nodeprep cloud render`: what is printed, what is asked for, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from preflight.cli.main import run
from rules.cloud import CLOUDS, load
from rules.render.cloud import formats
from tests.cli.test_main import FORBIDDEN, HELP_MODULES, loaded, third_party

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schemas/cloud-rules.schema.json").read_text()
)
CLUSTER = """
kubernetesVersion: "1.37"
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12}
cni: {name: flannel}
nodes:
  - {name: m1, role: multi-master, addresses: [192.0.2.11]}
  - {name: w1, role: worker, addresses: [192.0.2.21]}
sources: {admins: [203.0.113.0/24], nodePorts: [0.0.0.0/0]}
"""
CLOUD_FORMATS = [(cloud, form) for cloud in CLOUDS for form in formats(cloud)]
# What some clouds cannot tell apart.
WIDE = "icmp-errors,icmp-echo,node-ports-tcp,node-ports-udp"


@pytest.fixture
def given(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "nodeprep.yaml"
    path.write_text(CLUSTER)
    return ("--config", str(path))


def line(cloud: str, given: tuple[str, ...], *more: str) -> list[str]:
    by_address = [] if load(cloud).ABILITIES.references else ["--by-address"]
    return ["cloud", "render", cloud, "--allow-widening", WIDE, *by_address, *given, *more]


@pytest.mark.parametrize(("cloud", "form"), CLOUD_FORMATS)
def test_documents_match_their_schema(
    cloud: str, form: str, given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line(cloud, given, "--format", form, "-o", "json")) == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    jsonschema.validate(document, SCHEMA)
    assert (document["cloud"], document["format"]) == (cloud, form)
    assert document["roles"] == ["worker", "multi-master"]
    assert run(line(cloud, given, "--format", form, "-o", "yaml")) == 0
    assert yaml.safe_load(capsys.readouterr().out) == document
    assert run(line(cloud, given, "--format", form)) == 0
    assert capsys.readouterr().out == document["files"][0]["text"]


def test_what_it_costs_goes_to_stderr(
    given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cloud", "render", "aws", *given, "--leave-out", "ssh"]) == 0
    said = capsys.readouterr().err
    assert "nodeprep: nodeprep-worker: 13 of 60 inbound IPv4 rules\n" in said
    assert "nodeprep: left out by request: ssh\n" in said


def test_options_reach_the_document(
    given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    vpc, balancer = "vpc-0123456789abcdef0", "sg-0123456789abcdef0"
    more = ("--name", "prod", "--network", vpc, "--tag", "team=é", "--format", "json")
    peer = ("--peer", f"load-balancers={balancer}", "--role", "worker,multi-master")
    assert run(["cloud", "render", "aws", *given, *more, *peer]) == 0
    groups = json.loads(capsys.readouterr().out)["SecurityGroups"]
    assert [group["GroupName"] for group in groups] == ["prod-worker", "prod-multi-master"]
    assert {group["VpcId"] for group in groups} == {vpc}
    assert {"Key": "team", "Value": "é"} in groups[0]["Tags"]
    assert balancer in json.dumps(groups[0])


@pytest.mark.parametrize("form", ["", "capa", "capg", "capz"])
def test_capi_is_the_provider_that_the_format_names(
    form: str, given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = form or "capa"
    assert run(line(chosen, given)) == 0
    expected = capsys.readouterr().out
    more = ["--format", form] if form else []
    by_address = [] if load(chosen).ABILITIES.references else ["--by-address"]
    words = ["cloud", "render", "capi", "--allow-widening", WIDE, *by_address, *given, *more]
    assert run(words) == 0
    assert capsys.readouterr().out == expected
    assert "roles worker, multi-master, policy" in expected


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["stratus"], "no cloud is called 'stratus'; known are aws"),
        (["aws", "--format", "arm"], "--format takes terraform, cloudformation, cli, json"),
        (["capi", "--format", "arm"], "capi has no format called 'arm'; there are capa, capg"),
        (["capz"], "name no groups, only addresses: add --by-address"),
        (["capa", "--role", "worker"], "is of a whole cluster"),
        (
            ["capg", "--cni", "flannel/host-gw"],
            "pods-to-pods, nodes-to-pods (every protocol: a rule has no word",
        ),
        (["aws", "--role", "boss"], "no role is called 'boss'; the roles are all, master"),
        (["aws", "--role", "etcd"], "the cluster has no etcd; the roles of its nodes are worker"),
        (["aws", "--role", ","], "--role names no role"),
        (["aws", "--tag", "x"], "--tag takes KEY=VALUE, not 'x'"),
        (["aws", "--tag", "x=1", "--tag", "x=2"], "--tag 'x' is given twice"),
        (["aws", "--quota", "rules=0"], "takes a number above 0, not '0'"),
        (["aws", "--quota", "rules=٣"], "takes a number above 0"),
        (["aws", "--quota", "x=1"], "aws has no quota called 'x'; there are rules, groups"),
        (["aws", "--peer", "self=sg-1"], "--peer takes GROUP=NAME, not 'self=sg-1'"),
        (["aws", "--peer", "admins=x"], "AWS has security groups (sg-...) and prefix lists"),
        (["aws", "--leave-out", "shh"], "no flow of these roles is called 'shh'"),
        (["aws", "--cni", "flannel/host-gw"], "cannot say exactly: control-plane-to-pods"),
        (["aws", "-o", "xml"], "-o takes text, json, yaml, not 'xml'"),
    ],
)
def test_errors_name_what_is_known(
    more: list[str], message: str, given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cloud", "render", *more, *given]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.count("\n") == 1


def test_without_a_cluster_file_pods_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cloud", "render", "aws", "--cni", "flannel"]) == 2
    assert "comes from pods, and no address of them is known" in capsys.readouterr().err
    source = ("--source", "pods=10.244.0.0/16")
    assert run(["cloud", "render", "aws", "--cni", "flannel", *source]) == 0


def test_help_loads_nothing_of_the_work() -> None:
    modules = loaded("cloud", "render", "--help")
    assert third_party(modules) <= HELP_MODULES
    assert not modules & FORBIDDEN
    assert not {name for name in modules if name.startswith("rules.cloud")}
