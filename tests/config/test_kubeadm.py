from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from preflight.config import load
from preflight.settings import KubeletSettings, Settings
from rules.errors import ConfigError
from rules.version import Version

CAPTURES = Path(__file__).parents[1] / "captures/kubeadm"
SECRETS = (
    "abcdef.0123456789abcdef",
    "e6a2eb8581237ab72a4f494f30285ec12a9694d750b9785706a83bfcbbbd2204",
    "a" * 64,
)


def capture(name: str) -> Settings:
    return load(kubeadm_config=str(CAPTURES / name), environ={})


def read(tmp_path: Path, text: str, version: str = "") -> Settings:
    path = tmp_path / "kubeadm.yaml"
    path.write_text(text)
    return load(kubeadm_config=str(path), kubernetes_version=version, environ={})


def cluster(body: str, api: str = "v1beta4") -> str:
    return f"apiVersion: kubeadm.k8s.io/{api}\nkind: ClusterConfiguration\n{body}"


def init(body: str, api: str = "v1beta4") -> str:
    return f"apiVersion: kubeadm.k8s.io/{api}\nkind: InitConfiguration\n{body}"


def test_v1beta2() -> None:
    settings = capture("v1beta2.yaml")
    assert settings.version_given == Version(1, 22, 17)
    assert settings.node_name == "m1"
    assert settings.node_ips == (ip_address("192.0.2.11"),)
    assert settings.cri_socket == "unix:///var/run/dockershim.sock"
    assert settings.kubelet.cgroup_driver == "systemd"
    assert settings.cluster.pod_subnets == (ip_network("10.244.0.0/16"),)
    assert settings.cluster.ports.node_ports == (30000, 31999)
    assert settings.node_subnet_bits == (25, 64)
    assert not settings.cluster.external_etcd
    assert settings.warnings == ()


def test_v1beta3_join() -> None:
    settings = capture("v1beta3.yaml")
    assert settings.version_given == Version(1, 28, 4)
    assert settings.node_name == "m2.example.net"
    assert settings.node_ips == (ip_address("192.0.2.12"), ip_address("2001:db8::12"))
    assert settings.advertise_address == ip_address("192.0.2.12")
    assert settings.cluster.ports.api_server == 7443
    assert settings.cluster.control_plane_endpoint == "api.example.net:8443"
    assert settings.cluster.families == (4, 6)
    assert settings.node_subnet_bits == (23, 72)
    assert settings.kubelet.fail_swap_on is False
    assert settings.kubelet.resolv_conf == "/run/systemd/resolve/resolv.conf"
    assert settings.cluster.external_etcd
    assert settings.etcd.endpoints == ("https://192.0.2.31:2379", "https://192.0.2.32:2379")
    assert settings.etcd.key_file == "/etc/etcd/client.key"
    assert settings.ignore == ("NumCPU",)
    assert settings.warnings == ()


def test_v1beta4_with_component_documents() -> None:
    settings = capture("v1beta4.yaml")
    shared = settings.cluster
    assert settings.version_given == Version(1, 37)
    assert settings.node_ips == (ip_address("2001:db8::11"),)
    assert settings.advertise_address == ip_address("2001:db8::11")
    assert shared.ports.api_server == 8443
    assert shared.ports.node_ports == (30000, 32767)
    assert shared.pod_subnets == (ip_network("fd00:10:244::/56"),)
    assert shared.families == (6,)
    assert shared.dns_domain == "k8s.example.net"
    assert shared.control_plane_endpoint == "[2001:db8::1]:6443"
    assert shared.proxy_mode == "nftables"
    assert settings.proxy_disabled
    assert settings.node_subnet_bits == (24, 80)
    assert settings.certificates_dir == "/etc/kubernetes/tls"
    assert settings.etcd.data_dir == "/srv/etcd"
    assert settings.kubelet == KubeletSettings(
        cgroup_driver="systemd",
        fail_swap_on=False,
        swap_behavior="LimitedSwap",
        resolv_conf="/run/systemd/resolve/resolv.conf",
        fail_cgroup_v1=False,
        max_pods=250,
    )
    assert settings.warnings == ()


@pytest.mark.parametrize("name", ["v1beta2.yaml", "v1beta3.yaml", "v1beta4.yaml"])
def test_no_secret_is_kept(name: str) -> None:
    text = repr(capture(name))
    assert not [secret for secret in SECRETS if secret in text]


def test_unknown_and_repeated_keys_are_warnings_with_line_and_nearest_key(tmp_path: Path) -> None:
    text = cluster(
        "networking:\n  podsubnet: 10.0.0.0/16\n  dnsDomain: a\n  dnsDomain: b\n"
        "apiServer: {extraArg: []}\nzzz: 1\n"
    )
    settings = read(tmp_path, text)
    assert [line.removeprefix(f"{tmp_path}/kubeadm.yaml:") for line in settings.warnings] == [
        "6: networking.dnsDomain: is there twice, first in line 5",
        "4: networking.podsubnet: unknown key; did you mean podSubnet?",
        "7: apiServer.extraArg: unknown key; did you mean extraArgs?",
        "8: zzz: unknown key",
    ]
    assert settings.cluster.dns_domain == "b"
    assert settings.cluster.pod_subnets == ()


@pytest.mark.parametrize(
    ("api", "body", "odd"),
    [
        ("v1beta2", "nodeRegistration: {imagePullPolicy: Never}", True),
        ("v1beta3", "nodeRegistration: {imagePullPolicy: Never}", False),
        ("v1beta3", "timeouts: {discovery: 1m}", True),
        ("v1beta4", "timeouts: {discovery: 1m}", False),
        ("v1beta2", "skipPhases: [preflight]", True),
    ],
)
def test_fields_are_those_of_the_api_version(
    tmp_path: Path, api: str, body: str, odd: bool
) -> None:
    assert bool(read(tmp_path, init(body, api)).warnings) is odd


@pytest.mark.parametrize(
    ("api", "version", "accepted"),
    [
        ("v1beta2", "1.26", True), ("v1beta2", "1.27", False),
        ("v1beta3", "1.21", False), ("v1beta3", "1.22", True),
        ("v1beta3", "1.36", True), ("v1beta3", "1.37", False),
        ("v1beta4", "1.30", False), ("v1beta4", "1.31.4", True), ("v1beta4", "1.37", True),
    ],
)  # fmt: skip
def test_an_api_that_this_kubeadm_does_not_accept_is_one_warning(
    tmp_path: Path, api: str, version: str, accepted: bool
) -> None:
    settings = read(tmp_path, cluster("", api) + "---\n" + init("", api), version)
    assert len(settings.warnings) == (0 if accepted else 1)
    assert read(tmp_path, cluster("", api)).warnings == ()


def test_host_bits_are_cleared_as_kubeadm_does(tmp_path: Path) -> None:
    settings = read(tmp_path, cluster("networking: {podSubnet: 10.244.1.0/16}"))
    assert settings.cluster.pod_subnets == (ip_network("10.244.0.0/16"),)
    assert "host bits" in settings.warnings[0]


def test_empty_and_null_values_count_as_absent(tmp_path: Path) -> None:
    body = 'networking: {podSubnet: "", serviceSubnet: null, dnsDomain: }\netcd: {local: }\n'
    settings = read(tmp_path, cluster(f'controlPlaneEndpoint: ""\n{body}'))
    assert settings.cluster == Settings().cluster


@pytest.mark.parametrize(
    ("label", "version", "warned"),
    [
        ("stable-1.31", Version(1, 31), False),
        ("ci/v1.32.0-alpha.1", Version(1, 32), False),
        ("stable", None, True),
        ("stable-1", None, True),
        ("1.34", Version(1, 34), False),
    ],
)
def test_version_labels(tmp_path: Path, label: str, version: Version | None, warned: bool) -> None:
    settings = read(tmp_path, cluster(f"kubernetesVersion: {label}"))
    assert settings.version_given == version
    assert bool(settings.warnings) is warned


def test_the_placeholder_of_kubeadm_config_print_is_a_warning(tmp_path: Path) -> None:
    settings = read(tmp_path, init("localAPIEndpoint: {advertiseAddress: 1.2.3.4}"))
    assert "placeholder" in settings.warnings[0]


def test_any_address_is_kept_for_the_family_that_it_names(tmp_path: Path) -> None:
    body = "localAPIEndpoint: {advertiseAddress: '::'}\nnodeRegistration:\n"
    body += "  kubeletExtraArgs: [{name: node-ip, value: '::'}]"
    settings = read(tmp_path, init(body))
    assert settings.advertise_address == ip_address("::")
    assert settings.node_ips == (ip_address("::"),)


@pytest.mark.parametrize("phase", ["addon", "addon/kube-proxy"])
def test_a_skipped_phase_disables_kube_proxy(tmp_path: Path, phase: str) -> None:
    assert read(tmp_path, init(f"skipPhases: [{phase}]")).proxy_disabled


def test_init_beats_join_in_one_file(tmp_path: Path) -> None:
    join = (
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\nnodeRegistration: {name: j}\n"
    )
    settings = read(tmp_path, init("nodeRegistration: {name: i}\n---\n") + join)
    assert settings.node_name == "i"


def test_ignored_names_that_nodeprep_has_no_check_for_are_warnings(tmp_path: Path) -> None:
    body = "nodeRegistration:\n  ignorePreflightErrors: [NumCPU, ImagePull, NoSuchThing]"
    settings = read(tmp_path, init(body))
    assert settings.ignore[0] == "NumCPU"
    assert "NoSuchThing" not in settings.ignore
    assert ["NoSuchThing" in line for line in settings.warnings].count(True) == 1


BROKEN = [
    ("", "", "is empty"),
    ("- a", "1", "expected a mapping, found a list"),
    ("kind: InitConfiguration", "1: apiVersion", "is missing"),
    ("apiVersion: kubeadm.k8s.io/v1beta4", "1: kind", "is missing"),
    ("networking: {podSubnet: 10.0.0.0/8}", "1: apiVersion", "give a cluster file as --config"),
    (init("", "v1beta1"), "1: apiVersion", "kubeadm.k8s.io/{v1beta2, v1beta3, v1beta4}"),
    (init("", "v1"), "1: apiVersion", "'kubeadm.k8s.io/v1' is not read"),
    (init("", "v1beta2").replace("Init", "Reset"), "1: apiVersion", "is not read"),
    ("apiVersion: v1\nkind: ConfigMap", "2: kind", "save its data.ClusterConfiguration"),
    ("apiVersion: v1\nkind: Pod", "2: kind", "no part of a kubeadm configuration"),
    (init("") + "---\n" + init(""), "5: kind", "there twice, first in line 1"),
    (cluster("networking: 1"), "3: networking", "expected a mapping, found a number"),
    (
        cluster("networking: {podSubnet: [a]}"),
        "3: networking.podSubnet",
        "expected text, found a list",
    ),
    (cluster("kubernetesVersion: v1.99.0"), "3: kubernetesVersion", "it knows 1.18 to 1.37"),
    (
        cluster("etcd: {local: {}, external: {endpoints: []}}"),
        "3: etcd.external",
        "exclude each other",
    ),
    (
        cluster("apiServer: {extraArgs: {a: b}}"),
        "3: apiServer.extraArgs",
        "a list of {name, value}",
    ),
    (
        cluster("apiServer: {extraArgs: [{name: a, value: b}]}", "v1beta3"),
        "3: apiServer.extraArgs",
        "a mapping of names to values",
    ),
    (
        cluster("apiServer: {extraArgs: [{value: b}]}"),
        "3: apiServer.extraArgs[0].name",
        "is missing",
    ),
    (
        cluster("apiServer: {extraArgs: [{name: a, value: [b]}]}"),
        "3: apiServer.extraArgs[0].value",
        "expected text",
    ),
    (
        cluster("apiServer: {extraArgs: [{name: secure-port, value: x}]}"),
        "3: apiServer.extraArgs.secure-port",
        "is not a port",
    ),
    (
        init("localAPIEndpoint: {bindPort: 70000}"),
        "3: localAPIEndpoint.bindPort",
        "70000 is not from",
    ),
    (
        cluster("scheduler: {extraArgs: [{name: bind-address, value: lo}]}"),
        "3: scheduler.extraArgs.bind-address",
        "is not an IP address",
    ),
    (init("nodeRegistration: {name: a_b}"), "3: nodeRegistration.name", "is not a host name"),
    (
        init("nodeRegistration:\n  kubeletExtraArgs: [{name: fail-swap-on, value: maybe}]"),
        "4: nodeRegistration.kubeletExtraArgs.fail-swap-on",
        "neither true nor false",
    ),
    (
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfailSwapOn: 'x'",
        "3: failSwapOn",
        "expected true or false",
    ),
    (
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
        "mode: kernelspace",
        "3: mode",
        "is not one of 'iptables', 'ipvs', 'nftables'",
    ),
]


def test_bind_addresses(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        cluster(
            "apiServer: {extraArgs: {bind-address: 192.0.2.11}}\n"
            "controllerManager: {extraArgs: {bind-address: '::'}}\n"
            "scheduler: {extraArgs: {v: '4'}}",
            "v1beta3",
        ),
    )
    assert settings.bind_addresses == (
        ("kube-apiserver", ip_address("192.0.2.11")),
        ("kube-controller-manager", ip_address("::")),
    )


@pytest.mark.parametrize(("text", "place", "problem"), BROKEN)
def test_an_error_names_file_line_and_key(
    tmp_path: Path, text: str, place: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(
        f"{tmp_path}/kubeadm.yaml:{place}: " if place else f"{tmp_path}/kubeadm.yaml: "
    )
    assert problem in str(caught.value)
