"""The targets' own checkers accept what we write."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rules.cloud import CLOUDS
from rules.cloud.document import CloudOptions, CloudRules
from rules.cluster import CniChoice
from rules.render.cloud import formats, render
from tests.rules.cloud.plans import carried, plan_of, widest
from tests.rules.render.clusters import cluster

# Tunnels, routed pods, and every protocol that is no TCP or UDP.
CHOICES = (CniChoice("flannel", "vxlan"), CniChoice("calico", "ipip"), CniChoice("antrea", "gre"))
ROUTED = CniChoice("flannel", "host-gw")


def rules_of(cloud: str, choice: CniChoice, options: CloudOptions | None = None) -> CloudRules:
    made = cluster(families=(4, 6), cni=choice, external_etcd=True)
    return widest(carried(plan_of(made), cloud), cloud, options)


def text_of(cloud: str, form: str, choice: CniChoice) -> str:
    (text,) = render(form, rules_of(cloud, choice)).files.values()
    return text


@pytest.mark.parametrize("cloud", [cloud for cloud in CLOUDS if "terraform" in formats(cloud)])
def test_terraform_fmt_has_nothing_to_change(cloud: str, tmp_path: Path) -> None:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    for number, choice in enumerate((*CHOICES, ROUTED)):
        text = text_of(cloud, "terraform", choice)
        (tmp_path / f"{number}.tf").write_text(text)
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:2000] + done.stderr


@pytest.mark.parametrize("cloud", [cloud for cloud in CLOUDS if "cli" in formats(cloud)])
def test_scripts_are_bash(cloud: str) -> None:
    for choice in (*CHOICES, ROUTED):
        done = subprocess.run(
            ["bash", "-n"],
            input=text_of(cloud, "cli", choice),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.json" for number in range(2)]
    for path, choice in zip(paths, (CHOICES[1], ROUTED), strict=True):
        path.write_text(text_of("aws", "cloudformation", choice))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_botocore_takes_every_permission() -> None:
    from botocore.session import Session
    from botocore.validate import ParamValidator

    model: Any = Session().get_service_model("ec2")  # type: ignore[no-untyped-call]
    validator: Any = ParamValidator()
    shape = model.operation_model("AuthorizeSecurityGroupIngress").input_shape
    for choice in (*CHOICES, ROUTED):
        for group in json.loads(text_of("aws", "json", choice))["SecurityGroups"]:
            request = {"GroupId": "sg-0123456789abcdef0", "IpPermissions": group["IpPermissions"]}
            assert not validator.validate(request, shape).has_errors()
            assert group["IpPermissions"]


def create(client: Any, vpc: str, groups: list[dict[str, Any]]) -> None:
    """The groups of our JSON, with ids in the place of names, by the EC2 API."""
    ids = {
        group["GroupName"]: client.create_security_group(
            VpcId=vpc, GroupName=group["GroupName"], Description=group["Description"],
            TagSpecifications=[{"ResourceType": "security-group", "Tags": group["Tags"]}],
        )["GroupId"]
        for group in groups
    }  # fmt: skip
    for group in groups:
        for permission in group["IpPermissions"]:
            for pair in permission.get("UserIdGroupPairs", []):
                pair["GroupId"] = ids[pair.pop("GroupName")]
        client.authorize_security_group_ingress(
            GroupId=ids[group["GroupName"]], IpPermissions=group["IpPermissions"]
        )


def test_what_moto_describes_is_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto import mock_aws

    from rules.cloud.aws import roles
    from rules.cloud.found import reach_of
    from rules.parse.cloud.aws import described
    from tests.rules.cloud.plans import wanted

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws():
        client: Any = boto3.client("ec2", region_name="us-east-1")  # type: ignore[no-untyped-call]
        for choice in (CHOICES[1], ROUTED):
            vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            made = rules_of("aws", choice)
            (text,) = render("json", made).files.values()
            create(client, vpc, json.loads(text)["SecurityGroups"])
            here = [{"Name": "vpc-id", "Values": [vpc]}]
            answer = client.describe_security_groups(Filters=here)
            found = reach_of(described(answer, "moto"), roles(made), made.plan.families)
            assert found == wanted(made)
