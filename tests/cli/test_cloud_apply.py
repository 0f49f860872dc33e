"""`nodeprep cloud apply aws` against a moto server: applied, applied again, drifted, refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from preflight.cli.main import run
from preflight.runs.cloud_policy import CloudRequest, load_rules
from rules.cloud.aws import roles
from rules.cloud.document import CloudRules
from rules.cloud.found import reach_of
from rules.cloud.reach import Reach
from rules.parse.cloud.aws import described
from tests import moto
from tests.cli.test_cloud_render import CLUSTER
from tests.cli.test_main import FORBIDDEN, HELP_MODULES, loaded, third_party
from tests.cloudlab import Lab, ready
from tests.moto import Fault, writes
from tests.rules.cloud.plans import wanted

pytestmark = pytest.mark.outside
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schemas/cloud-apply.schema.json").read_text()
)
OTHERS = "198.51.100.0/24"


def rules_of(lab: Lab) -> CloudRules:
    """What the command is to bring about."""
    lab.config.write_text(CLUSTER)
    return load_rules(CloudRequest(cloud="aws", network=lab.vpc, config=str(lab.config)))


def found_reach(lab: Lab, rules: CloudRules) -> Reach:
    answer = {"SecurityGroups": list(lab.groups().values())}
    return reach_of(described(answer, "moto"), roles(rules), rules.plan.families)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with moto.moto_server() as port:
        yield port


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in moto.ENVIRONMENT.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)


@pytest.fixture
def lab(port: int, tmp_path: Path, _credentials: None) -> Iterator[Lab]:
    with ready(port) as (proxy, client):
        yield Lab(proxy, client, tmp_path / "nodeprep.yaml")


def document(line: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run([*line, "-o", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    return found


def test_applied_then_nothing_to_change(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    planned = document(lab.line("--dry-run"), capsys)
    assert (planned["changed"], planned["dry_run"]) == (True, True)
    assert writes(lab.proxy.calls) == []
    made = document(lab.line(), capsys)
    assert made == {**planned, "dry_run": False}
    assert {item["before"] for item in made["changes"]} == {None}
    lab.proxy.calls.clear()
    assert run(lab.line("--diff")) == 0
    assert capsys.readouterr().out.endswith("nothing to change\n")
    assert writes(lab.proxy.calls) == []


def test_what_is_applied_is_the_plan(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    rules = rules_of(lab)
    assert run(lab.line()) == 0
    assert found_reach(lab, rules) == wanted(rules)
    for name in ("nodeprep-worker", "nodeprep-multi-master"):
        tags = {tag["Key"]: tag["Value"] for tag in lab.groups()[name]["Tags"]}
        assert tags["nodeprep:policy"] == rules.plan.digest_of(tags["nodeprep:role"])
    capsys.readouterr()


def test_drift_is_found_and_mended(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    rules = rules_of(lab)
    assert run(lab.line()) == 0
    capsys.readouterr()
    lost = lab.rules("nodeprep-worker")[0]["SecurityGroupRuleId"]
    worker = lab.groups()["nodeprep-worker"]["GroupId"]
    lab.client.revoke_security_group_ingress(GroupId=worker, SecurityGroupRuleIds=[lost])
    lab.permit("nodeprep-multi-master", 9999, OTHERS, {"nodeprep:role": "multi-master"})
    lab.permit("nodeprep-worker", 8888, OTHERS)
    lab.client.create_tags(
        Resources=[worker], Tags=[{"Key": "nodeprep:policy", "Value": "0123456789abcdef"}]
    )
    planned = document(lab.line("--dry-run"), capsys)
    objects = {(item["object"], item["before"] is None) for item in planned["changes"]}
    assert ("nodeprep-multi-master: 9999/tcp from 198.51.100.0/24", False) in objects
    assert ("nodeprep-worker: tag nodeprep:policy", False) in objects
    assert len(objects) == 3
    (foreign,) = planned["foreign"]
    assert foreign.startswith("nodeprep-worker: 8888/tcp from 198.51.100.0/24 (sgr-")
    document(lab.line(), capsys)
    left = [rule for rule in lab.rules("nodeprep-worker") if rule["FromPort"] == 8888]
    assert len(left) == 1  # not ours, so it stays
    lab.client.revoke_security_group_ingress(
        GroupId=worker, SecurityGroupRuleIds=[left[0]["SecurityGroupRuleId"]]
    )
    assert found_reach(lab, rules) == wanted(rules)


def test_a_description_of_ours_is_kept_true(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lab.line()) == 0
    worker = lab.groups()["nodeprep-worker"]
    (nodeports,) = [p for p in worker["IpPermissions"] if p.get("FromPort") == 30000][:1]
    nodeports["IpRanges"][0]["Description"] = "something else"
    lab.client.update_security_group_rule_descriptions_ingress(
        GroupId=worker["GroupId"], IpPermissions=[nodeports]
    )
    capsys.readouterr()
    (change,) = document(lab.line(), capsys)["changes"]
    assert "something else" in change["before"]
    assert document(lab.line(), capsys)["changed"] is False


def test_the_live_audit_sees_what_is_there(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lab.line()) == 0
    line = ["cloud", "audit", "aws", "--live", *lab.line()[3:]]
    capsys.readouterr()
    assert run(line) == 0
    assert "lets in what the policy does" in capsys.readouterr().out
    entries = [{"Cidr": OTHERS}]
    listed = lab.client.create_managed_prefix_list(
        PrefixListName="x", MaxEntries=5, AddressFamily="IPv4", Entries=entries
    )["PrefixList"]["PrefixListId"]
    lab.client.authorize_security_group_ingress(
        GroupId=lab.groups()["nodeprep-worker"]["GroupId"],
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 23,
             "PrefixListIds": [{"PrefixListId": listed}]}
        ],
    )  # fmt: skip
    lab.client.revoke_security_group_ingress(
        GroupId=lab.groups()["nodeprep-worker"]["GroupId"],
        SecurityGroupRuleIds=[
            rule["SecurityGroupRuleId"]
            for rule in lab.rules("nodeprep-worker")
            if rule["FromPort"] == 10250
        ],
    )
    assert run(line) == 1
    said = capsys.readouterr().out
    assert "too wide: 22-23/tcp from 198.51.100.0/24 to worker (IPv4); let in by" in said
    assert "missing: 10250/tcp from multi-master to worker (IPv4); needed by kubelet-api" in said
    assert len(said.splitlines()) == 6


def test_groups_of_others_are_not_touched(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.client.create_security_group(GroupName="db", Description="x", VpcId=lab.vpc)
    lab.permit("db", 5432, OTHERS)
    before = lab.groups()["db"]
    assert run(lab.line()) == 0
    assert lab.groups()["db"] == before
    lab.client.create_security_group(GroupName="mine-worker", Description="x", VpcId=lab.vpc)
    lab.proxy.calls.clear()
    capsys.readouterr()
    assert run(lab.line("--name", "mine")) == 1
    assert "is called mine-worker and has no tag nodeprep:role" in capsys.readouterr().err
    assert writes(lab.proxy.calls) == []


def test_one_role_needs_the_groups_of_the_others(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lab.line("--role", "worker")) == 1
    assert "refer to nodeprep-multi-master, which is not there" in capsys.readouterr().err
    assert run(lab.line()) == 0
    capsys.readouterr()
    assert document(lab.line("--role", "worker"), capsys)["changed"] is False


def test_a_new_policy_adds_before_it_removes(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lab.line()) == 0
    lab.proxy.calls.clear()
    changed = CLUSTER.replace("203.0.113.0/24", "203.0.113.0/25")
    assert run(lab.line(cluster=changed)) == 0
    called = writes(lab.proxy.calls)
    last_added = max(at for at, name in enumerate(called) if name.startswith("Authorize"))
    assert called[last_added + 1].startswith("Revoke")
    assert called[-1] == "CreateTags"
    capsys.readouterr()
    assert document(lab.line(cluster=changed), capsys)["changed"] is False


def test_a_role_that_is_gone_leaves_its_group(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    etcd = "  - {name: e1, role: etcd, addresses: [192.0.2.31]}\nsources:"
    assert run(lab.line(cluster=CLUSTER.replace("sources:", etcd))) == 0
    capsys.readouterr()
    (left,) = document(lab.line(), capsys)["leftovers"]
    assert left.startswith("nodeprep-etcd (sg-")


def admins(count: int) -> str:
    """The cluster with so many networks that no two of them merge."""
    listed = ", ".join(f"203.0.113.{number * 2}/32" for number in range(count))
    return CLUSTER.replace("203.0.113.0/24", listed)


def test_the_61st_rule_is_refused_before_any_call(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    one_group = ("--quota", "groups=1", "--role", "all")
    assert run(lab.line(*one_group)) == 0
    inside = len(lab.rules("nodeprep-multi-master"))
    lab.permit("nodeprep-multi-master", range(20000, 20060 - inside), OTHERS)
    capsys.readouterr()
    assert document(lab.line(*one_group), capsys)["changed"] is False
    lab.proxy.calls.clear()
    more = CLUSTER.replace("203.0.113.0/24", "203.0.113.0/24, 198.51.100.7/32")
    assert run(lab.line(*one_group, cluster=more)) == 1
    assert "needs more inbound rules than 1 groups of 60 hold" in capsys.readouterr().err
    assert writes(lab.proxy.calls) == []
    # The cloud says so too, when it is asked.
    with pytest.raises(Exception, match="RulesPerSecurityGroupLimitExceeded"):
        lab.permit("nodeprep-multi-master", 30000, OTHERS)


def test_more_than_a_group_holds_goes_into_a_second(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lab.line()) == 0
    capsys.readouterr()
    made = document(lab.line(cluster=admins(40)), capsys)
    assert any("has to carry nodeprep-multi-master-2 too" in one for one in made["warnings"])
    assert "nodeprep-multi-master-2" in lab.groups()
    assert document(lab.line(cluster=admins(40)), capsys)["changed"] is False


@pytest.mark.parametrize(
    ("more", "environment", "message"),
    [
        ((), {"AWS_ACCESS_KEY_ID": ""}, "no credentials of AWS were found: set AWS_PROFILE"),
        ((), {"AWS_DEFAULT_REGION": ""}, "no region of AWS is given: --region, AWS_REGION"),
        (("--region", "no such/region"), {}, "that is no region of AWS"),
        (("--profile", "nobody"), {}, "that profile of AWS is not there"),
        (("--network", "vpc-0123456789abcdef0"), {}, "InvalidVpcID.NotFound"),
        (("--endpoint-url", "http://127.0.0.1:9"), {}, "EC2 cannot be reached"),
    ],
)
def test_what_keeps_aws_from_answering_is_one_line(
    more: tuple[str, ...], environment: dict[str, str], message: str,
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name, text in environment.items():
        monkeypatch.setenv(name, text) if text else monkeypatch.delenv(name)
    assert run(lab.line(*more)) == 3
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert message in said.err
    assert writes(lab.proxy.calls) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("refuse", 503, "RequestLimitExceeded"), "AWS throttles the calls of this account"),
        (Fault("refuse", 500, "InternalError"), "EC2 failed; run it again later"),
        (Fault("refuse", 403, "UnauthorizedOperation"), "these credentials may not do it"),
        (Fault("refuse", 401, "AuthFailure"), "AWS does not take these credentials"),
        (Fault("hold"), "EC2 did not answer in time"),
        (Fault("babble"), "what answers there is not EC2"),
    ],
)
def test_what_was_done_before_a_failure_is_said(
    fault: Fault, message: str, lab: Lab, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    lab.proxy.before = lambda number, action: fault if action.startswith("Authorize") else None
    assert run(lab.line("--timeout", "0.5")) == 3
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert message in said.err
    assert "done before that: created nodeprep-worker, created nodeprep-multi-master; " in said.err
    lab.proxy.forget()
    assert run(lab.line()) == 0
    rules = rules_of(lab)
    assert found_reach(lab, rules) == wanted(rules)


def test_a_call_that_is_lost_on_its_way_back_is_not_made_twice(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """EC2 did it, and the answer never came: the retry is told so, and the rest goes on."""
    lost: list[str] = []

    def lose_first(_: int, action: str) -> Fault | None:
        if action in lost or action.startswith("Describe"):
            return None
        lost.append(action)
        return Fault("lose")

    lab.proxy.before = lose_first
    assert run(lab.line("--timeout", "0.5")) == 0
    assert lost == ["CreateSecurityGroup", "AuthorizeSecurityGroupIngress"]
    rules = rules_of(lab)
    assert found_reach(lab, rules) == wanted(rules)
    capsys.readouterr()


def test_passing_throttling_is_waited_for(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    throttled = Fault("refuse", 503, "RequestLimitExceeded")
    lab.proxy.before = lambda number, action: throttled if number % 5 == 1 else None
    assert run(lab.line()) == 0
    capsys.readouterr()
    rules = rules_of(lab)
    assert found_reach(lab, rules) == wanted(rules)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["capi"], "cloud apply knows aws, gcp, azure, openstack, not 'capi'"),
        (["gcp"], "--network must name the network of the rules"),
        (["azure"], "--scope must name the resource group"),
        (["openstack", "--region", "x"], "--region is for aws; leave it out"),
        (["aws"], "--network must name the VPC"),
        (["aws", "--network", "x"], "--network takes the id of a VPC"),
        (["aws", "--network", "vpc-0123456789abcdef0", "-o", "xml"], "-o takes text, json, yaml"),
    ],
)
def test_wrong_usage(more: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cloud", "apply", *more, "--source", "pods=10.244.0.0/16"]) == 2
    assert message in capsys.readouterr().err


def test_without_boto3_it_says_what_to_install(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert run(lab.line()) == 3
    said = capsys.readouterr().err
    assert said == (
        "nodeprep: to speak to AWS, a package must be installed beside nodeprep: pip install "
        "'boto3>=1.34'; of one that pipx installed: pipx inject nodeprep 'boto3>=1.34'\n"
    )


def test_help_loads_nothing_of_the_work() -> None:
    modules = loaded("cloud", "apply", "--help")
    assert third_party(modules) <= HELP_MODULES
    assert not modules & FORBIDDEN
    assert not {name for name in modules if name.startswith(("rules.cloud", "boto"))}
