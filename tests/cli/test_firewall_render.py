"""`nodeprep firewall render`: what is printed, what is asked for, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from preflight import __version__
from preflight.cli.main import run
from preflight.firewall.policy import with_sources
from rules.access import group_networks
from rules.cluster import Cluster
from rules.errors import UsageError
from rules.flows import Group
from rules.render import TARGETS

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schemas/firewall-rules.schema.json").read_text()
)
CLUSTER = """
kubernetesVersion: "1.37"
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12}
nodes:
  - {name: m1, role: multi-master, addresses: [192.0.2.11]}
  - {name: w1, role: worker, addresses: [192.0.2.21]}
sources: {admins: [203.0.113.0/24], nodePorts: [0.0.0.0/0]}
"""


@pytest.fixture
def given(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "nodeprep.yaml"
    path.write_text(CLUSTER)
    return ("firewall", "render", "--role", "worker", "--config", str(path))


@pytest.mark.parametrize("posture", ["allow", "enforce"])
@pytest.mark.parametrize("target", TARGETS)
def test_documents_match_their_schema(
    target: str, posture: str, given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    line = [*given, "--backend", target, "--posture", posture]
    assert run([*line, "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, SCHEMA)
    assert (document["target"], document["posture"]) == (target, posture)
    assert run([*line, "-o", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == document
    for file in document["files"]:
        assert run([*line, "--file", file["name"]]) == 0
        assert capsys.readouterr().out == file["text"]
    assert run([*line, "--commands"]) == 0
    assert capsys.readouterr().out.splitlines() == document["commands"]
    assert run(line) == 0
    shown = capsys.readouterr().out
    assert all(file["text"] in shown for file in document["files"])
    assert ("==> " in shown) == (len(document["files"]) > 1)


def test_the_header_has_version_role_and_digest(
    given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*given]) == 0
    shown = capsys.readouterr()
    assert f"nodeprep {__version__}: role worker, posture allow, policy " in shown.out
    assert shown.err == ""


def test_without_a_cluster_it_says_what_to_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["firewall", "render", "--role", "worker"]) == 2
    said = capsys.readouterr().err
    assert "masters, pods" in said
    assert "nodes, networking.podSubnet" in said
    assert "--source masters=CIDR --source pods=CIDR" in said
    assert said.count("\n") == 1


def test_sources_stand_in_for_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["firewall", "render", "--role", "worker", "--posture", "enforce"]
    line += ["--source", "masters=192.0.2.11,192.0.2.12", "--source", "pods=10.244.0.0/16"]
    assert run(line) == 0
    shown = capsys.readouterr()
    assert "192.0.2.11, 192.0.2.12" in shown.out
    assert "nobody can log in over SSH" in shown.err
    assert run([*line, "--source", "admins=203.0.113.5"]) == 0
    shown = capsys.readouterr()
    assert 'ip saddr 203.0.113.5 tcp dport 22 accept comment "nodeprep:ssh"' in shown.out
    assert shown.err == ""


def test_sources_add_to_what_the_file_says() -> None:
    made = with_sources(
        Cluster(),
        ["workers=192.0.2.0/28", "workers=192.0.2.32", "monitoring=2001:db8::/64",
         "load-balancers=192.0.2.64/30", "node-port-clients=0.0.0.0/0", "etcd-members=192.0.2.9",
         "pods=10.0.0.0/8"],
    )  # fmt: skip
    assert [str(n) for n in group_networks(Group.WORKERS, made)] == [
        "192.0.2.0/28",
        "192.0.2.32/32",
    ]
    assert str(made.sources.monitoring[0]) == "2001:db8::/64"
    assert str(made.sources.node_ports[0]) == "0.0.0.0/0"
    assert made.families == (4,)
    assert with_sources(made, []) is made


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("masters", "GROUP=CIDR"),
        ("nobody=192.0.2.1", "the groups are masters, workers"),
        ("self=192.0.2.1", "GROUP=CIDR"),
        ("masters=192.0.2.1/24", "host bits"),
        ("masters=", "is not an IP address"),
        ("masters=192.0.2.1,,192.0.2.2", "is not an IP address"),
        ("masters=$(id)", "is not an IP address"),
    ],
)
def test_wrong_sources_are_explained(word: str, problem: str) -> None:
    with pytest.raises(UsageError, match="--source") as caught:
        with_sources(Cluster(), [word])
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (["--backend", "pf"], "--backend takes nftables"),
        (["--posture", "deny"], "--posture takes allow or enforce"),
        (["-o", "xml"], "-o takes text, json, yaml"),
        (["--file", "x"], "there are nodeprep.nft"),
        (["--role", "king"], "no role is called"),
    ],
)
def test_wrong_words_are_explained(
    extra: list[str], problem: str, given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*given, *extra]) == 2
    shown = capsys.readouterr()
    assert problem in shown.err
    assert shown.out == ""
