"""`nodeprep cloud audit`: our own artefacts are as the policy says; seeded gaps are found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from preflight.cli.main import run
from rules.cloud import CAPI, CLOUDS, load
from rules.render.cloud import formats
from tests.cli.test_cloud_render import CLUSTER, WIDE
from tests.cli.test_main import FORBIDDEN, HELP_MODULES, loaded, third_party

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schemas/cloud-audit.schema.json").read_text()
)
AUDITED = [cloud for cloud in CLOUDS if not cloud.startswith("cap")]
CLOUD_FORMATS = [(cloud, form) for cloud in AUDITED for form in formats(cloud)]
Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "nodeprep.yaml"
    path.write_text(CLUSTER)
    return ("--config", str(path), "--allow-widening", WIDE)


def rendered(cloud: str, form: str, config: tuple[str, ...], capsys: Capsys) -> str:
    assert run(["cloud", "render", cloud, "--format", form, *config]) == 0
    return capsys.readouterr().out


def audited(
    cloud: str, text: str, config: tuple[str, ...], capsys: Capsys, *more: str
) -> tuple[int, dict[str, Any]]:
    path = Path(config[1]).with_name("state")
    path.write_text(text)
    code = run(["cloud", "audit", cloud, str(path), *config, *more, "-o", "json"])
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    return code, found


@pytest.mark.parametrize(("cloud", "form"), CLOUD_FORMATS)
def test_our_own_are_as_the_policy_says(
    cloud: str, form: str, config: tuple[str, ...], capsys: Capsys
) -> None:
    code, found = audited(cloud, rendered(cloud, form, config, capsys), config, capsys)
    assert (code, found["missing"], found["too_wide"]) == (0, [], [])


def spoilt_ec2(document: dict[str, Any]) -> None:
    worker = next(g for g in document["SecurityGroups"] if g["GroupName"] == "nodeprep-worker")
    kept = [p for p in worker["IpPermissions"] if p.get("FromPort") != 10250]
    assert len(kept) < len(worker["IpPermissions"])
    wide = {"IpProtocol": "tcp", "FromPort": 2379, "ToPort": 2380,
            "IpRanges": [{"CidrIp": "198.51.100.0/24"}]}  # fmt: skip
    worker["IpPermissions"] = [*kept, wide]


def spoilt_gcp(document: list[dict[str, Any]]) -> None:
    for rule in document:
        if rule["targetTags"] == ["nodeprep-worker"]:
            for one in rule["allowed"]:
                one["ports"] = [port for port in one.get("ports", []) if port != "10250"]
            rule["allowed"] = [
                one for one in rule["allowed"] if one["ports"] or one["IPProtocol"] == "icmp"
            ]
            for one in rule["allowed"]:
                if not one["ports"]:
                    del one["ports"]
    document.append(
        {"name": "wide", "targetTags": ["nodeprep-worker"], "sourceRanges": ["198.51.100.0/24"],
         "allowed": [{"IPProtocol": "tcp", "ports": ["2379-2380"]}]}
    )  # fmt: skip


def spoilt_azure(document: dict[str, Any]) -> None:
    worker = next(
        item for item in document["resources"]
        if item["name"] == "nodeprep-worker" and "securityRules" in item.get("properties", {})
    )  # fmt: skip
    for rule in worker["properties"]["securityRules"]:
        ports = rule["properties"].get("destinationPortRanges", [])
        rule["properties"]["destinationPortRanges"] = [port for port in ports if port != "10250"]
    kept = [
        rule for rule in worker["properties"]["securityRules"]
        if rule["properties"]["destinationPortRanges"]
        or rule["properties"].get("destinationPortRange") not in (None, "10250")
    ]  # fmt: skip
    worker["properties"]["securityRules"] = kept
    kept.append(
        {"name": "wide", "properties": {
            "priority": 101, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
            "sourceAddressPrefix": "198.51.100.0/24", "destinationAddressPrefix": "*",
            "destinationPortRange": "2379-2380"}}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cloud", "form", "spoil", "where"),
    [
        ("aws", "json", spoilt_ec2, "SecurityGroups[0].IpPermissions["),
        ("gcp", "json", spoilt_gcp, "wide"),
        ("azure", "arm", spoilt_azure, "nodeprep-worker: wide"),
    ],
)
def test_what_is_missing_and_what_is_too_wide(
    cloud: str, form: str, spoil: Callable[[Any], None], where: str, config: tuple[str, ...],
    capsys: Capsys,
) -> None:  # fmt: skip
    document = json.loads(rendered(cloud, form, config, capsys))
    spoil(document)
    code, found = audited(cloud, json.dumps(document), config, capsys)
    assert code == 1
    missing = {(gap["what"], gap["from"], *gap["flows"]) for gap in found["missing"]}
    assert missing == {
        ("10250/tcp", "multi-master", "kubelet-api"),
        ("10250/tcp", "worker", "kubelet-metrics"),
        ("10250/tcp", "10.244.0.0/16", "kubelet-metrics"),
    }
    (wide,) = found["too_wide"]
    assert (wide["what"], wide["from"], wide["role"]) == (
        "2379-2380/tcp", "198.51.100.0/24", "worker",
    )  # fmt: skip
    assert len(wide["rules"]) == 1
    assert where in wide["rules"][0]


def test_addresses_of_all_nodes_are_as_good_as_their_group(
    config: tuple[str, ...], capsys: Capsys
) -> None:
    text = rendered("aws", "json", (*config, "--by-address"), capsys)
    code, found = audited("aws", text, config, capsys)
    assert (code, found["missing"], found["too_wide"]) == (0, [], [])
    code, found = audited("aws", text.replace("192.0.2.21/32", "192.0.2.22/32"), config, capsys)
    assert code == 1
    assert {gap["from"] for gap in found["missing"]} == {"worker"}
    assert {gap["from"] for gap in found["too_wide"]} == {"192.0.2.22/32"}


def test_all_protocols_are_one_gap(config: tuple[str, ...], capsys: Capsys) -> None:
    document = json.loads(rendered("aws", "json", config, capsys))
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    document["SecurityGroups"][0]["IpPermissions"].append(everything)
    code, found = audited("aws", json.dumps(document), config, capsys)
    assert code == 1
    every = [gap for gap in found["too_wide"] if gap["protocol"] is None]
    assert len(every) >= 1
    assert len(found["too_wide"]) < 40
    assert all(
        any("every protocol from 0.0.0.0/0" in rule for rule in gap["rules"])
        for gap in found["too_wide"]
    )


def test_groups_of_other_names_and_their_ids(config: tuple[str, ...], capsys: Capsys) -> None:
    text = rendered("aws", "json", config, capsys)
    document = json.loads(text.replace("nodeprep-worker", "node").replace("nodeprep:role", "x"))
    for number, group in enumerate(document["SecurityGroups"]):
        group["GroupId"] = f"sg-{number:017x}"
    for group in document["SecurityGroups"]:
        for permission in group["IpPermissions"]:
            for pair in permission.get("UserIdGroupPairs", ()):
                name = pair.pop("GroupName")
                number = [g["GroupName"] for g in document["SecurityGroups"]].index(name)
                pair["GroupId"] = f"sg-{number:017x}"
    text = json.dumps(document)
    code, found = audited("aws", text, config, capsys, "--group", "worker=node")
    assert (code, found["missing"], found["too_wide"]) == (0, [], [])
    code, found = audited("aws", text, config, capsys, "--group", f"worker=sg-{0:017x}")
    assert code == 0
    code, found = audited("aws", text, config, capsys)
    assert (code, found["absent"]) == (1, ["worker"])


def test_ids_of_azure_are_names(config: tuple[str, ...], capsys: Capsys) -> None:
    document = json.loads(rendered("azure", "arm", config, capsys))
    groups = [item for item in document["resources"] if item["type"].endswith("rityGroups")]
    shown = [{"name": one["name"], **one["properties"]} for one in groups if "properties" in one]
    asgs = "/subscriptions/0/resourceGroups/x/providers/Microsoft.Network/applicationSecurityGroups"
    text = json.dumps(shown)
    for role in ("worker", "multi-master"):
        written = (
            "[resourceId('Microsoft.Network/applicationSecurityGroups', 'nodeprep-" + role + "')]"
        )
        assert written in text
        text = text.replace(written, f"{asgs}/nodeprep-{role}")
    code, found = audited("azure", text, config, capsys)
    assert (code, found["missing"], found["too_wide"]) == (0, [], [])


def test_networks_of_google_are_told_apart(config: tuple[str, ...], capsys: Capsys) -> None:
    document = json.loads(rendered("gcp", "json", (*config, "--network", "prod"), capsys))
    other = {"name": "x", "network": "https://example.net/networks/other", "allowed": [
        {"IPProtocol": "all"}], "sourceRanges": ["0.0.0.0/0"]}  # fmt: skip
    text = json.dumps([*document, other])
    assert audited("gcp", text, config, capsys, "--network", "prod")[0] == 0
    assert audited("gcp", text, config, capsys)[0] == 1


def test_prefix_lists_are_their_entries(config: tuple[str, ...], capsys: Capsys) -> None:
    text = rendered("aws", "json", config, capsys)
    document = json.loads(text)
    name = "pl-0123456789abcdef0"
    for group in document["SecurityGroups"]:
        for permission in group["IpPermissions"]:
            ranges = permission.get("IpRanges", [])
            if [one["CidrIp"] for one in ranges] == ["203.0.113.0/24"]:
                del permission["IpRanges"]
                permission["PrefixListIds"] = [{"PrefixListId": name}]
    lists = Path(config[1]).with_name("lists")
    entries = ["203.0.113.0/25", "203.0.113.128/25"]
    lists.write_text(json.dumps({"PrefixLists": [{"PrefixListId": name, "Cidrs": entries}]}))
    code, found = audited("aws", json.dumps(document), config, capsys, str(lists))
    assert (code, found["missing"], found["too_wide"]) == (0, [], [])
    # Both answers of `aws ec2` in one file.
    whole = {**document, "PrefixLists": [{"PrefixListId": name, "Cidrs": entries}]}
    assert audited("aws", json.dumps(whole), config, capsys)[0] == 0
    code, found = audited("aws", json.dumps(document), config, capsys)
    assert code == 1
    assert {gap["from"] for gap in found["too_wide"]} == {name}


@pytest.mark.parametrize(
    ("cloud", "text", "message"),
    [
        (
            "aws",
            '{"SecurityGroups": [{"GroupName": "nodeprep-worker", "IpPermissions": [{"IpProtocol": '
            '"icmp", "FromPort": 3, "ToPort": 4, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}]}',
            "ICMP type 3 is limited to code 4, and codes are not compared",
        ),
        (
            "openstack",
            '{"security_groups": [{"name": "nodeprep-worker", "security_group_rules": [{"direction"'
            ': "ingress", "ethertype": "IPv4", "protocol": "icmp", "port_range_min": 3, '
            '"port_range_max": 4}]}]}',
            "ICMP type 3 is limited to a code, and codes are not compared",
        ),
        (
            "gcp",
            '[{"name": "a", "targetTags": ["nodeprep-worker"], "denied": [{"IPProtocol": "tcp"}]}]',
            "a: denies, and what is left is not compared",
        ),
    ],
)
def test_what_no_packet_space_holds_is_undetermined(
    cloud: str, text: str, message: str, config: tuple[str, ...], capsys: Capsys
) -> None:
    path = Path(config[1]).with_name("state")
    path.write_text(text)
    assert run(["cloud", "audit", cloud, str(path), *config]) == 3
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert message in said.err


@pytest.mark.parametrize("provider", CAPI)
def test_capi_is_the_provider_of_the_file(
    provider: str, config: tuple[str, ...], capsys: Capsys
) -> None:
    wide = () if load(provider).ABILITIES.references else ("--by-address",)
    assert run(["cloud", "render", "capi", "--format", provider, *config, *wide]) == 0
    path = Path(config[1]).with_name("state")
    path.write_text(capsys.readouterr().out)
    assert run(["cloud", "audit", "capi", str(path), *config, *wide]) == 0
    assert run(["cloud", "audit", "capi", "-", *config, *wide]) == 2
    assert "of standard input say which of capa, capg, capz" in capsys.readouterr().err


STATE: dict[str, Any] = {
    "version": 4,
    "terraform_version": "1.11.4",
    "resources": [
        {"mode": "managed", "type": "aws_security_group", "name": "node", "instances": [
            {"attributes": {"id": "sg-00000000000000001", "name": "nodeprep-worker", "ingress": [
                {"protocol": "tcp", "from_port": 10250, "to_port": 10250, "cidr_blocks": [],
                 "security_groups": ["sg-00000000000000001"], "self": False}]}}]},
        {"mode": "data", "type": "aws_vpc", "name": "x", "instances": [{"attributes": {}}]},
        {"mode": "managed", "type": "aws_vpc_security_group_ingress_rule", "name": "db",
         "module": "module.a", "instances": [
             {"index_key": "a.b", "attributes": {
                 "id": "sgr-1", "security_group_id": "sg-00000000000000001", "ip_protocol": "tcp",
                 "from_port": 5432, "to_port": 5432, "cidr_ipv4": "198.51.100.0/24",
                 "cidr_ipv6": None}}]},
    ],
}  # fmt: skip


def test_the_state_of_terraform(config: tuple[str, ...], capsys: Capsys) -> None:
    code, found = audited("aws", json.dumps(STATE), config, capsys, "--role", "worker")
    assert code == 1
    assert found["groups"] == [{"name": "nodeprep-worker", "role": "worker"}]
    (wide,) = found["too_wide"]
    assert wide["what"] == "5432/tcp"
    assert "aws_vpc_security_group_ingress_rule.module_a:db:a_b" in wide["rules"][0]
    gone = {(gap["what"], gap["from"]) for gap in found["missing"]}
    assert ("10250/tcp", "multi-master") in gone
    assert ("10250/tcp", "worker") not in gone
    shown = {
        "format_version": "1.0",
        "values": {"root_module": {"child_modules": [{"address": "module.a", "resources": [
            {"mode": "managed", "type": one["type"], "name": one["name"],
             "values": one["instances"][0]["attributes"]}
            for one in STATE["resources"] if one["mode"] == "managed"
        ]}]}},
    }  # fmt: skip
    _, again = audited("aws", json.dumps(shown), config, capsys, "--role", "worker")
    assert [gap["what"] for gap in again["too_wide"]] == ["5432/tcp"]
    assert again["missing"] == found["missing"]


def test_for_a_person(config: tuple[str, ...], capsys: Capsys) -> None:
    document = json.loads(rendered("aws", "json", config, capsys))
    spoilt_ec2(document)
    path = Path(config[1]).with_name("state")
    path.write_text(json.dumps(document))
    assert run(["cloud", "audit", "aws", str(path), *config]) == 1
    said = capsys.readouterr().out
    assert "nodeprep-worker is of worker\n" in said
    assert "missing: 10250/tcp from worker to worker (IPv4); needed by kubelet-metrics\n" in said
    assert (
        "too wide: 2379-2380/tcp from 198.51.100.0/24 to worker (IPv4); let in by nodeprep-worker: "
        "2379-2380/tcp from 198.51.100.0/24 (SecurityGroups[0].IpPermissions["
    ) in said


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("x: 1", (), "is nothing that is known: Terraform"),
        ("{", (), "is not JSON"),
        ("[]", (), "is nothing that is known"),
        ('{"SecurityGroups": []}', (), "no group there is of worker, multi-master"),
        ('{"SecurityGroups": [{"IpPermissions": 3}]}', (), "is no list"),
        ('[{"allowed": []}]', (), "is of gcp (json), and aws is to be audited"),
        ('{"SecurityGroups": []}', ("--live",), "takes files, or --live"),
        ('{"SecurityGroups": []}', ("--group", "x"), "--group takes ROLE=NAME-OR-ID"),
        ('{"SecurityGroups": []}', ("-o", "xml"), "-o takes text, json, yaml"),
        (
            '{"SecurityGroups": [{"GroupName": "a"}, {"GroupName": "a"}]}', (),
            "there are two groups called a: say which VPC",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_one_line(
    text: str, more: tuple[str, ...], message: str, config: tuple[str, ...], capsys: Capsys
) -> None:
    path = Path(config[1]).with_name("state")
    path.write_text(text)
    assert run(["cloud", "audit", "aws", str(path), *config, *more]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert message in said.err


def test_help_loads_nothing_of_the_work() -> None:
    modules = loaded("cloud", "audit", "--help")
    assert third_party(modules) <= HELP_MODULES
    assert not modules & FORBIDDEN
    assert not {name for name in modules if name.startswith(("rules.cloud", "boto"))}
