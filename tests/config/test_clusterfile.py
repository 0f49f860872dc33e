from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from preflight.config import load
from preflight.config.clusterfile import FIELDS
from preflight.settings import Settings
from rules.cluster import CniChoice, Node, PortNumbers, Role, Sources
from rules.errors import ConfigError
from rules.version import Version

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/nodeprep.yaml"
SCHEMA = json.loads((ROOT / "docs/schemas/nodeprep.schema.json").read_text())

MINIMAL_NODE = "{name: m1, role: master, addresses: [192.0.2.11]}"


def read(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "nodeprep.yaml"
    path.write_text(text)
    return load(config=str(path), environ={})


def test_the_annotated_example_sets_every_field() -> None:
    settings = load(config=str(EXAMPLE), environ={})
    cluster = settings.cluster
    assert settings.version_given == cluster.kubernetes_version == Version(1, 37)
    assert cluster.pod_subnets == (ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56"))
    assert cluster.service_subnets == (ip_network("10.96.0.0/12"), ip_network("fd00:10:96::/112"))
    assert cluster.families == (4, 6)
    assert cluster.dns_domain == "cluster.local"
    assert cluster.name == "kubernetes"
    assert cluster.control_plane_endpoint == "api.example.net:6443"
    assert cluster.cni == CniChoice("flannel", "vxlan")
    assert cluster.nodes[0] == Node(
        "m1",
        Role.MULTI_MASTER,
        (ip_address("192.0.2.11"), ip_address("2001:db8::11")),
        (ip_network("10.244.1.0/24"), ip_network("fd00:10:244:1::/64")),
    )
    assert [node.name for node in cluster.nodes] == ["m1", "m2", "m3", "w1"]
    assert cluster.sources == Sources(
        admins=(ip_network("203.0.113.0/24"), ip_network("198.51.100.7/32")),
        node_ports=(ip_network("0.0.0.0/0"), ip_network("::/0")),
        load_balancers=(),
        monitoring=(ip_network("203.0.113.64/28"),),
    )
    assert cluster.ports == PortNumbers(6443, (30000, 32767))
    assert (cluster.proxy_mode, settings.proxy_disabled) == ("nftables", False)
    assert not cluster.external_etcd
    assert settings.node_name == "m1"
    assert settings.node_ips == (ip_address("192.0.2.11"), ip_address("2001:db8::11"))
    assert settings.advertise_address == ip_address("192.0.2.11")
    assert settings.cri_socket == "unix:///run/containerd/containerd.sock"
    assert settings.certificates_dir == "/etc/kubernetes/pki"
    assert settings.node_subnet_bits == (24, 64)
    kubelet = settings.kubelet
    assert (kubelet.cgroup_driver, kubelet.fail_swap_on) == ("systemd", True)
    assert (kubelet.swap_behavior, kubelet.max_pods) == ("NoSwap", 110)
    assert (kubelet.resolv_conf, kubelet.fail_cgroup_v1) == (
        "/run/systemd/resolve/resolv.conf",
        True,
    )
    assert settings.etcd.data_dir == "/var/lib/etcd"
    assert settings.ignore == ("cpu-count",)
    assert settings.skip == ()
    assert settings.sources == (str(EXAMPLE),)
    assert settings.warnings == ()


def test_the_example_names_every_key_that_there_is() -> None:
    text = EXAMPLE.read_text()

    def names(fields: Any) -> list[str]:
        fields = fields[0] if isinstance(fields, list) else fields
        return [name for key, inner in (fields or {}).items() for name in (key, *names(inner))]

    assert [name for name in names(FIELDS) if f"{name}:" not in text] == []


def test_external_etcd(tmp_path: Path) -> None:
    text = (
        "etcd:\n  external:\n    endpoints: ['https://192.0.2.31:2379']\n"
        "    caFile: /e/ca.crt\n    certFile: /e/c.crt\n    keyFile: /e/c.key\n"
    )
    settings = read(tmp_path, text)
    assert settings.cluster.external_etcd
    assert settings.etcd.endpoints == ("https://192.0.2.31:2379",)
    assert (settings.etcd.ca_file, settings.etcd.cert_file, settings.etcd.key_file) == (
        "/e/ca.crt",
        "/e/c.crt",
        "/e/c.key",
    )


def test_an_etcd_node_means_an_external_etcd(tmp_path: Path) -> None:
    text = "nodes: [{name: e1, role: etcd, addresses: [192.0.2.31]}]"
    assert read(tmp_path, text).cluster.external_etcd


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, "# nothing yet\n")
    assert settings.cluster == Settings().cluster
    assert settings.version_given is None
    assert len(settings.sources) == 1


def test_an_unquoted_version_is_read_as_written(tmp_path: Path) -> None:
    assert read(tmp_path, "kubernetesVersion: 1.30").version_given == Version(1, 30)


def test_an_empty_resolv_conf_differs_from_none(tmp_path: Path) -> None:
    assert read(tmp_path, 'kubelet: {resolvConf: ""}').kubelet.resolv_conf == ""
    assert read(tmp_path, "kubelet: {maxPods: 10}").kubelet.resolv_conf is None


def test_check_names_of_kubeadm_and_with_a_subject_are_taken(tmp_path: Path) -> None:
    settings = read(tmp_path, "ignore: [NumCPU, 'cpu-count:x', all]\nskip: [cpu-count]")
    assert settings.ignore == ("NumCPU", "cpu-count:x", "all")
    assert settings.skip == ("cpu-count",)


def broken() -> list[tuple[str, str]]:
    """The cases of broken.txt: a cluster file, ``=> LINE: KEY: PROBLEM``, a blank line.

    A problem that ends in ``...`` goes on with something that other parts of nodeprep decide.
    """
    blocks = (ROOT / "tests/config/broken.txt").read_text().strip().split("\n\n")
    cases = [block.rpartition("\n=> ") for block in blocks]
    return [(text, message) for text, _, message in cases]


@pytest.mark.parametrize(("text", "message"), broken())
def test_an_error_names_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    said = str(caught.value).removeprefix(f"{tmp_path}/nodeprep.yaml:")
    assert said == message or (message.endswith("...") and said.startswith(message[:-3]))
    assert caught.value.exit_code == 2


def test_ten_thousand_nodes_are_all_read(tmp_path: Path) -> None:
    lines = (
        f"- {{name: n{number}, role: worker, addresses: [10.{number >> 8}.{number & 255}.1]}}\n"
        for number in range(10_000)
    )
    settings = read(tmp_path, "nodes:\n" + "".join(lines))
    assert len(settings.cluster.nodes) == 10_000


def test_the_schema_knows_the_same_keys() -> None:
    def keys(schema: dict[str, Any]) -> Any:
        if schema.get("type") == "array" and "properties" in schema["items"]:
            return [keys(schema["items"])]
        if "properties" not in schema:
            return None
        assert schema["additionalProperties"] is False
        return {key: keys(inner) for key, inner in schema["properties"].items()}

    assert keys(SCHEMA) == FIELDS


def test_the_example_follows_the_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(yaml.safe_load(EXAMPLE.read_text()), SCHEMA)


# What a schema cannot say: repeated keys, documents, host bits, and what depends on other values.
BEYOND_A_SCHEMA = (
    "twice", "documents", "the range is", "is also in", "overlaps", "inside", "loopback", "064",
    "wrong way", "no pod network", "no mode", "is not an IP address", "no check",
    "is not from 1 to 32",
)  # fmt: skip


@pytest.mark.parametrize("case", broken())
def test_the_schema_refuses_what_the_reader_refuses(case: tuple[str, str]) -> None:
    text, message = case
    if any(word in message for word in BEYOND_A_SCHEMA):
        return
    with pytest.raises((jsonschema.ValidationError, yaml.YAMLError)):
        jsonschema.validate(yaml.safe_load(text), SCHEMA)
