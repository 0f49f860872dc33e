"""The targets' own checkers accept what we write."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from rules.cloud import CLOUDS
from rules.cloud.aws import roles
from rules.cloud.document import CloudOptions, CloudRules
from rules.cloud.found import reach_of
from rules.cluster import CniChoice
from rules.parse.cloud.aws import described
from rules.render.cloud import formats, render
from tests.rules.cloud.plans import plan_for, wanted, widest
from tests.rules.render.clusters import cluster

pytestmark = pytest.mark.outside
# Tunnels, routed pods, and every protocol that is no TCP or UDP.
CHOICES = (CniChoice("flannel", "vxlan"), CniChoice("calico", "ipip"), CniChoice("antrea", "gre"))
ROUTED = CniChoice("flannel", "host-gw")


def rules_of(cloud: str, choice: CniChoice, options: CloudOptions | None = None) -> CloudRules:
    made = cluster(families=(4, 6), cni=choice, external_etcd=True)
    return widest(plan_for(cloud, made), cloud, options)


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
    path = tmp_path / "template.json"
    path.write_text(text_of("aws", "cloudformation", CHOICES[1]))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), str(path)],
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


def discovery_schema(name: str) -> dict[str, Any]:
    """A resource of Google's compute API as a JSON Schema that knows no other keys."""
    import googleapiclient

    (root,) = googleapiclient.__path__
    path = Path(root) / "discovery_cache" / "documents" / "compute.v1.json"
    schemas = json.loads(path.read_text())["schemas"]

    def made(part: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in part:
            return made(schemas[part["$ref"]])
        kept: dict[str, Any] = {
            key: part[key] for key in ("type", "enum", "pattern") if key in part
        }
        if "items" in part:
            kept["items"] = made(part["items"])
        if "properties" in part:
            kept["properties"] = {key: made(inner) for key, inner in part["properties"].items()}
            kept["additionalProperties"] = False
        return kept

    return made(schemas[name])


def test_google_takes_every_firewall_rule() -> None:
    import jsonschema

    schema = discovery_schema("Firewall")
    assert len(schema["properties"]) > 10
    options = CloudOptions(network="prod")
    for choice in (*CHOICES, ROUTED):
        (text,) = render("json", rules_of("gcp", choice, options)).files.values()
        names = set()
        for one in json.loads(text):
            jsonschema.validate(one, schema)
            assert re.fullmatch("[a-z]([-a-z0-9]{0,61}[a-z0-9])?", one["name"])
            families = {ip_network(word).version for word in one.get("sourceRanges", [])}
            assert len(families) <= 1  # one rule, one family
            assert one.get("sourceRanges") or one.get("sourceTags")  # none is everybody
            names.add(one["name"])
        assert len(names) == len(json.loads(text))


def test_gcloud_reads_the_flags_of_a_rule() -> None:
    """Without credentials it goes as far as asking for some, and refuses flags before that."""
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud is not installed")
    (line, *_) = [one for one in text_of("gcp", "cli", ROUTED).splitlines() if one[:5] == "rule "]
    name, *flags = shlex.split(line)[1:]
    for extra, refused in (([], False), (["--no-such-flag=1"], True)):
        done = subprocess.run(
            [
                "gcloud", "compute", "firewall-rules", "create", name, "--project=some-project",
                "--network=prod", "--direction=INGRESS", "--action=ALLOW", *flags, *extra,
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "CLOUDSDK_CONFIG": "/nonexistent"},
        )  # fmt: skip
        assert ("unrecognized arguments" in done.stderr) == refused, done.stderr


def test_azures_models_know_every_property() -> None:
    from azure.mgmt.network import models

    properties = models.SecurityRulePropertiesFormat({})
    known = {field._rest_name for field in properties._attr_to_rest_field.values()}
    allowed = {
        "protocol": {item.value for item in models.SecurityRuleProtocol},
        "access": {item.value for item in models.SecurityRuleAccess},
        "direction": {item.value for item in models.SecurityRuleDirection},
    }
    assert "sourceApplicationSecurityGroups" in known
    for choice in (*CHOICES, ROUTED):
        for group in json.loads(text_of("azure", "arm", choice))["resources"]:
            for rule in group.get("properties", {}).get("securityRules", []):
                said = rule["properties"]
                assert set(said) <= known
                assert all(said[field] in words for field, words in allowed.items())


@pytest.mark.skipif(
    os.environ.get("NODEPREP_EVERY") != "1" or shutil.which("aws") is None,
    reason="NODEPREP_EVERY=1 runs it, where the aws command is installed: a minute",
)
def test_the_script_makes_the_plan_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    try:
        client: Any = boto3.client(  # type: ignore[no-untyped-call]
            "ec2", region_name="us-east-1", endpoint_url=endpoint, **keys
        )
        vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        made = widest(
            plan_for("aws", cluster(cni=CniChoice("flannel", "vxlan"))), "aws", CloudOptions()
        )
        (text,) = render("cli", made).files.values()
        path = tmp_path / "nodeprep-aws.sh"
        path.write_text(text)
        seen = []
        for _ in range(2):
            done = subprocess.run(
                ["bash", str(path)],
                capture_output=True,
                text=True,
                timeout=900,
                check=False,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(tmp_path),
                    "VPC_ID": vpc,
                    "AWS_ENDPOINT_URL": endpoint,
                    "AWS_DEFAULT_REGION": "us-east-1",
                    **{key.upper(): value for key, value in keys.items()},
                },
            )
            assert done.returncode == 0, done.stderr
            answer = client.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
            seen.append(answer["SecurityGroups"])
            found = reach_of(described(answer, "moto"), roles(made), made.plan.families)
            assert found == wanted(made)
        assert seen[0] == seen[1]
    finally:
        server.stop()


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
