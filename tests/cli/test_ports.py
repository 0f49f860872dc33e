"""`nodeprep ports`: what its flags do, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from preflight.cli.main import run
from preflight.facts import installed
from rules.errors import CommandError
from rules.run import Output
from rules.version import NEWEST, Version


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROLE", "CONFIG", "KUBEADM_CONFIG", "KUBERNETES_VERSION", "CNI"):
        monkeypatch.delenv(f"NODEPREP_{name}", raising=False)
    monkeypatch.setattr("preflight.config.DEFAULT_FILE", "/nonexistent/nodeprep.yaml")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["ports", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[int] | None]:
    value = json.loads(printed(capsys, *arguments, "-o", "json"))
    return {row["id"]: row["ports"] for row in value["rows"]}


@pytest.mark.parametrize("role", ["master", "worker", "multi-master", "etcd", "control-plane"])
@pytest.mark.parametrize("output", ["text", "json", "yaml", "markdown"])
def test_every_role_in_every_format(
    role: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(capsys, "--role", role, "--kubernetes-version", "1.37", "-o", output)
    name = "master" if role == "control-plane" else role
    if output in ("json", "yaml"):
        value = json.loads(out) if output == "json" else yaml.safe_load(out)
        assert (value["kind"], value["role"]) == ("Ports", name)
    else:
        assert name in out.splitlines()[0]


def test_the_version_decides_which_rows_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    old = rows(capsys, "--role", "master", "--kubernetes-version", "1.18")
    assert old["kube-scheduler-insecure"] == [10251, 10251]
    assert old["kube-controller-manager-insecure"] == [10252, 10252]
    new = rows(capsys, "--role", "master", "--kubernetes-version", "1.37")
    assert not [name for name in new if "insecure" in name]
    assert new["kube-scheduler"] == [10259, 10259]


def test_the_network_and_its_mode(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--role", "worker", "--kubernetes-version", "1.37")
    assert rows(capsys, *arguments, "--cni", "flannel")["flannel-vxlan"] == [8472, 8472]
    assert "flannel-vxlan" not in rows(capsys, *arguments, "--cni", "flannel/host-gw")
    assert rows(capsys, *arguments, "--cni", "calico/ipip")["calico-ipip"] is None


def test_all_adds_the_optional_rows(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--role", "master", "--kubernetes-version", "1.37")
    assert "vrrp" not in rows(capsys, *arguments)
    assert "vrrp" in rows(capsys, *arguments, "--all")


def test_the_cluster_file_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "nodeprep.yaml"
    file.write_text(
        "kubernetesVersion: '1.30'\n"
        "cni: {name: cilium, mode: geneve}\n"
        "proxy: {disabled: true}\n"
        "networking: {podSubnet: 'fd00:1::/56', serviceSubnet: 'fd00:96::/112'}\n"
        "ports: {apiServer: 8443, nodePorts: 20000-20999}\n"
    )
    value = json.loads(printed(capsys, "--role", "worker", "--config", str(file), "-o", "json"))
    found = {row["id"]: row for row in value["rows"]}
    assert value["kubernetes_version"] == "1.30"
    assert value["cni"] == {"name": "cilium", "mode": "geneve"}
    assert value["families"] == [6]
    assert found["node-ports-udp"]["ports"] == [20000, 20999]
    assert "kube-proxy-healthz" not in found
    assert "icmpv6-neighbours" in found
    master = rows(capsys, "--role", "master", "--config", str(file))
    assert master["kube-apiserver"] == [8443, 8443]


def test_kubeadm_s_external_etcd_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kubeadm.yaml"
    file.write_text(
        "apiVersion: kubeadm.k8s.io/v1beta4\n"
        "kind: ClusterConfiguration\n"
        "kubernetesVersion: v1.37.0\n"
        "etcd: {external: {endpoints: ['https://192.0.2.31:2379'], caFile: /a, certFile: /b, "
        "keyFile: /c}}\n"
    )
    found = rows(capsys, "--role", "multi-master", "--kubeadm-config", str(file))
    assert not [name for name in found if name.startswith("etcd")]


def test_without_a_role_the_whole_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, "-o", "json"))["role"] is None
    assert yaml.safe_load(printed(capsys, "-o", "yaml"))["kind"] == "Ports"
    assert printed(capsys, "-o", "markdown").startswith("# Ports and protocols")
    assert "10251/tcp" in printed(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--role", "boss"], "no role is called 'boss'"),
        (["--role", "worker", "-o", "xml"], "-o takes text, json, yaml, markdown"),
        (["-o", "xml"], "-o takes text, json, yaml, markdown"),
        (["--role", "worker", "--cni", "flanel"], "the nearest is 'flannel'"),
        (["--role", "worker", "--cni", "flannel/vx"], "no mode of flannel"),
        (["--role", "worker", "--kubernetes-version", "new"], "new"),
        (["--cni", "flannel"], "--role is missing"),
        (["--kubernetes-version", "1.30"], "--role is missing"),
    ],
)
def test_wrong_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ports", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1


def test_no_heavy_module_is_loaded() -> None:
    code = (
        "import sys; from preflight.cli.main import run;"
        "run(['ports', '--role', 'worker', '--kubernetes-version', '1.37', '--cni', 'flannel']);"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    heavy = {"yaml", "rich", "jinja2", "psutil", "pyroute2", "pydantic", "logging", "asyncio"}
    assert not heavy & set(done.stderr.split())


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"kubeadm": "v1.35.2\n", "kubelet": "Kubernetes v1.34.0\n"}, Version(1, 35, 2)),
        ({"kubelet": "Kubernetes v1.34.0\n"}, Version(1, 34)),
        ({"kubeadm": "nonsense", "kubelet": "Kubernetes v1.34.0\n"}, Version(1, 34)),
        ({}, NEWEST),
    ],
)
def test_without_a_version_the_node_s_counts(
    answers: dict[str, str], expected: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(argv: tuple[str, ...], *, timeout_s: float) -> Output:
        if argv[0] not in answers:
            raise CommandError("absent", f"{argv[0]} is not installed")
        return Output(argv, 0, answers[argv[0]], "")

    monkeypatch.setattr(installed, "run", answer)
    assert installed.installed_version()[0] == expected
