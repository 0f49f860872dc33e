"""`nodeprep cloud lint`: our own documents are clean, others' faults are named, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from preflight.cli.main import run
from rules.cloud import CLOUDS
from rules.cloudlint.read import read
from rules.cloudlint.registry import judge
from rules.cluster import CniChoice
from rules.parse.cloud.detect import detect
from rules.render.cloud import formats, render
from tests.cli.test_cloud_render import CLUSTER
from tests.cli.test_main import FORBIDDEN, HELP_MODULES, loaded, third_party
from tests.rules.cloud.plans import plan_for, widest
from tests.rules.render.clusters import cluster

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/cloud-lint.schema.json").read_text())
CLOUD_FORMATS = [(cloud, form) for cloud in CLOUDS for form in formats(cloud)]
NETWORKS = (CniChoice("flannel", "vxlan"), CniChoice("calico", "ipip"), CniChoice("cilium"))
BAD = """
resource "aws_vpc_security_group_ingress_rule" "etcd" {
  security_group_id = "sg-0123456789abcdef0"
  ip_protocol       = "tcp"
  from_port         = 2379
  to_port           = 2380
  cidr_ipv4         = "0.0.0.0/0"
}
"""
Capsys = pytest.CaptureFixture[str]


@pytest.mark.parametrize(("cloud", "form"), CLOUD_FORMATS)
def test_our_own_documents_are_clean(cloud: str, form: str) -> None:
    for choice in NETWORKS:
        made = cluster(families=(4, 6), cni=choice, external_etcd=True)
        rules = widest(plan_for(cloud, made), cloud)
        (text,) = render(form, rules).files.values()
        (part,) = detect(text, "ours")
        assert part.form == form
        found = judge(read(part, dict(rules.options.quotas)))
        assert [(one.rule.id, one.where, one.message) for one in found] == []


def test_findings_as_a_document(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "main.tf"
    path.write_text(BAD)
    assert run(["cloud", "lint", str(path), "-o", "json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    jsonschema.validate(shown, SCHEMA)
    assert shown["files"] == [
        {"file": str(path), "cloud": "aws", "format": "terraform", "rules_alone": False}
    ]
    (one,) = shown["findings"]
    assert (one["id"], one["severity"]) == ("world-open-control-plane", "error")
    assert one["place"] == "aws_vpc_security_group_ingress_rule.etcd"
    assert run(["cloud", "lint", "--rules", "-o", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    jsonschema.validate(listed, SCHEMA)
    assert one["id"] in {rule["id"] for rule in listed["rules"]}


def test_warnings_alone_are_no_failure(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "main.tf"
    path.write_text(BAD.replace("2379", "6443").replace("2380", "6443"))
    assert run(["cloud", "lint", str(path)]) == 0
    said = capsys.readouterr().out
    assert said == (
        f"warning: {path}: aws_vpc_security_group_ingress_rule.etcd: 6443 from 0.0.0.0/0 "
        "[world-open-api]\n1 document: 0 errors, 1 warnings\n"
    )


def test_a_state_and_several_files(tmp_path: Path, capsys: Capsys) -> None:
    state = {"version": 4, "terraform_version": "1.11.4", "resources": [
        {"mode": "managed", "type": "google_compute_firewall", "name": "x", "instances": [
            {"attributes": {"name": "x", "allow": [{"protocol": "tcp", "ports": ["10250"]}],
                            "source_ranges": ["0.0.0.0/0"], "source_tags": None}}]}]}  # fmt: skip
    one, two = tmp_path / "terraform.tfstate", tmp_path / "main.tf"
    one.write_text(json.dumps(state))
    two.write_text(BAD)
    assert run(["cloud", "lint", str(one), str(two), "-o", "json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert [(item["file"], item["id"]) for item in shown["findings"]] == [
        (str(one), "world-open-control-plane"), (str(two), "world-open-control-plane"),
    ]  # fmt: skip


def test_hostile_words_stay_one_line(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "x.json"
    group = {"GroupName": "sg-\u001b[31m\nerror: nothing", "IpPermissions": []}
    path.write_text(json.dumps({"SecurityGroups": [group]}))
    assert run(["cloud", "lint", str(path)]) == 1
    said = capsys.readouterr().out
    assert "\u001b" not in said
    assert all(line.startswith(("error: ", "1 document")) for line in said.splitlines())


def test_what_is_not_read_of_a_script_is_said(tmp_path: Path, capsys: Capsys) -> None:
    script = tmp_path / "x.sh"
    config = tmp_path / "nodeprep.yaml"
    config.write_text(CLUSTER)
    assert run(["cloud", "render", "aws", "--format", "cli", "--config", str(config)]) == 0
    script.write_text(capsys.readouterr().out)
    assert run(["cloud", "lint", str(script), "-o", "json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["files"][0]["rules_alone"] is True
    assert f"nodeprep: {script} (cli): judged by who may send what; names," in said.err


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("hello", (), "is nothing that is known"),
        ("{", (), "is not JSON"),
        ('resource "aws_security_group" {', (), "is not Terraform's language"),
        ('{"SecurityGroups": {}}', (), "is no list"),
        ('{"Resources": []}', (), "is no mapping"),
        ("{}", ("--quota", "rules"), "--quota takes NAME=NUMBER"),
        ('{"SecurityGroups": []}', ("--quota", "asgs=1"), "nothing there has 'asgs'"),
        ("{}", ("-o", "xml"), "-o takes text, json, yaml"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    text: str, more: tuple[str, ...], message: str, tmp_path: Path, capsys: Capsys
) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    assert run(["cloud", "lint", str(path), *more]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert message in said.err
    assert run(["cloud", "lint"]) == 2
    assert "cloud lint takes files" in capsys.readouterr().err


def test_help_loads_nothing_of_the_work() -> None:
    modules = loaded("cloud", "lint", "--help")
    assert third_party(modules) <= HELP_MODULES
    assert not modules & FORBIDDEN
    assert not {name for name in modules if name.startswith("rules.cloud")}
