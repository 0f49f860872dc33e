from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest

from preflight import config
from preflight.settings import Settings
from rules.cluster import CniChoice
from rules.errors import ConfigError, UsageError
from rules.version import Version

ROOT = Path(__file__).parents[2]
KUBEADM = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.33.0
certificatesDir: /kubeadm/pki
networking: {podSubnet: 10.1.0.0/16, serviceSubnet: 10.2.0.0/16, dnsDomain: kubeadm.local}
proxy: {disabled: true}
controllerManager: {extraArgs: [{name: node-cidr-mask-size-ipv4, value: "26"}]}
"""
CLUSTER = """\
kubernetesVersion: "1.34"
networking: {podSubnet: 10.3.0.0/16, nodeCIDRMaskSizeIPv6: 80}
cni: {name: bridge}
proxy: {disabled: false}
ignore: [cpu-count]
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "kubeadm.yaml").write_text(KUBEADM)
    (tmp_path / "nodeprep.yaml").write_text(CLUSTER)
    monkeypatch.setattr(config, "DEFAULT_FILE", str(tmp_path / "default.yaml"))
    return {
        "config": str(tmp_path / "nodeprep.yaml"),
        "kubeadm_config": str(tmp_path / "kubeadm.yaml"),
    }


def load(environ: Mapping[str, str] = MappingProxyType({}), /, **arguments: str) -> Settings:
    return config.load(environ=environ, **arguments)


def test_nothing_at_all_gives_the_defaults(files: dict[str, str]) -> None:
    assert load() == Settings()


def test_nothing_at_all_imports_no_yaml_and_no_reader() -> None:
    code = (
        "import sys; from preflight import config; config.DEFAULT_FILE = '/nonexistent/x.yaml'; "
        "config.load(environ={}); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = done.stdout.split()
    assert "yaml" not in modules
    assert [name for name in modules if name.startswith("preflight.config.")] == []


def test_flags_beat_variables_beat_the_file_beats_kubeadm_beats_defaults(
    files: dict[str, str],
) -> None:
    kubeadm = load(kubeadm_config=files["kubeadm_config"])
    assert kubeadm.version_given == Version(1, 33)
    assert kubeadm.cluster.pod_subnets == (ip_network("10.1.0.0/16"),)
    assert kubeadm.proxy_disabled

    both = load(**files)
    assert both.version_given == both.cluster.kubernetes_version == Version(1, 34)
    assert both.cluster.pod_subnets == (ip_network("10.3.0.0/16"),)
    assert both.cluster.service_subnets == (ip_network("10.2.0.0/16"),)
    assert both.cluster.dns_domain == "kubeadm.local"
    assert both.certificates_dir == "/kubeadm/pki"
    assert not both.proxy_disabled
    assert both.node_subnet_bits == (26, 80)
    assert both.ignore == ("cpu-count",)
    assert both.sources == (files["kubeadm_config"], files["config"])

    variables = {"NODEPREP_KUBERNETES_VERSION": "1.35", "NODEPREP_CNI": "bridge"}
    assert load(variables, **files).version_given == Version(1, 35)
    flagged = load(variables, kubernetes_version="1.36", **files)
    assert flagged.version_given == flagged.cluster.kubernetes_version == Version(1, 36)


def test_files_can_be_named_by_variables(files: dict[str, str]) -> None:
    variables = {
        "NODEPREP_CONFIG": files["config"],
        "NODEPREP_KUBEADM_CONFIG": files["kubeadm_config"],
    }
    assert load(variables) == load(**files)


def test_the_default_file_is_read_if_it_is_there(files: dict[str, str]) -> None:
    assert load().sources == ()
    Path(config.DEFAULT_FILE).write_text("nodeName: m1\n")
    assert load().node_name == "m1"
    assert load(config=files["config"]).node_name == ""


def test_a_broken_link_at_the_default_place_is_not_taken_for_absent(files: dict[str, str]) -> None:
    Path(config.DEFAULT_FILE).symlink_to("/nonexistent/nodeprep.yaml")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load()


@pytest.mark.parametrize("name", ["config", "kubeadm_config"])
def test_a_file_that_was_named_must_exist(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^/nonexistent/x: cannot be read: No such file"):
        load(**{name: "/nonexistent/x"})


def test_both_from_standard_input_is_refused() -> None:
    with pytest.raises(UsageError, match="both be standard input"):
        load(config="-", kubeadm_config="-")


def test_a_flag_that_cannot_be_read_is_named() -> None:
    with pytest.raises(UsageError, match=r"^--kubernetes-version: 'new' is not"):
        load(kubernetes_version="new")
    with pytest.raises(UsageError, match=r"^--cni: no pod network is called 'nonsense'"):
        load(cni="nonsense")


def test_the_cni_flag_replaces_name_and_mode_of_the_file(files: dict[str, str]) -> None:
    Path(files["config"]).write_text("cni: {name: flannel, mode: vxlan}\n")
    assert load(**files).cluster.cni == CniChoice("flannel", "vxlan")
    assert load(cni="bridge", **files).cluster.cni == CniChoice("bridge")


@pytest.mark.parametrize(
    ("pods", "bits"), [("10.0.0.0/16", (20, 64)), ("fd00::/48", (24, 20)), ("", (20, 64))]
)
def test_a_mask_size_counts_for_the_family_of_the_pods(
    files: dict[str, str], pods: str, bits: tuple[int, int]
) -> None:
    text = KUBEADM.replace("node-cidr-mask-size-ipv4", "node-cidr-mask-size").replace("26", "20")
    Path(files["kubeadm_config"]).write_text(text.replace("10.1.0.0/16", f'"{pods}"'))
    assert load(kubeadm_config=files["kubeadm_config"]).node_subnet_bits == bits


def test_warnings_go_to_standard_error(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(files["kubeadm_config"]).write_text(f"{KUBEADM}zzz: 1\n")
    config.print_warnings(load(kubeadm_config=files["kubeadm_config"]))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"nodeprep: {files['kubeadm_config']}:8: zzz: unknown key\n"


@pytest.mark.parametrize(
    ("given", "again"),
    [
        ({}, ""),
        (
            {"config": "my file.yaml", "cni": "flannel/vxlan"},
            " --config 'my file.yaml' --cni flannel/vxlan",
        ),
        ({"kubeadm_config": "-"}, " --kubeadm-config FILE"),
        ({"kubernetes_version": "1.36;x"}, " --kubernetes-version '1.36;x'"),
    ],
)
def test_flags_are_said_again_as_a_shell_takes_them(given: dict[str, str], again: str) -> None:
    every = {"config": "", "kubeadm_config": "", "kubernetes_version": "", "cni": "", **given}
    assert config.flags_again(SimpleNamespace(**every)) == again
