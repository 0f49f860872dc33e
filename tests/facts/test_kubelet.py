from __future__ import annotations

from pathlib import Path

import pytest

from preflight.facts.host import Host, Unit
from preflight.facts.kubelet import describe, parse_kubelet_version, settings, unit_state
from preflight.facts.model import Known, Unknown
from preflight.facts.unitfile import expand, flags, parse_environment, parse_unit
from preflight.facts.yamllines import parse_mapping
from rules.run import Output

CAPTURES = Path(__file__).parents[1] / "captures" / "runtime"
DROP_IN = "/usr/lib/systemd/system/kubelet.service.d"


def capture(name: str) -> str:
    return (CAPTURES / name).read_text()


class FakeHost(Host):
    """Files from a mapping; an Unknown is a file that may not be read."""

    def __init__(self, files: dict[str, Known[str]]) -> None:
        super().__init__(offline=True)
        self.files = files

    def read(self, path: str, limit_bytes: int = 0) -> Known[str]:
        return self.files.get(path, Unknown("absent", f"{path} is not there"))

    def listdir(self, path: str) -> Known[tuple[str, ...]]:
        names = {
            each[len(path) + 1 :].split("/")[0]
            for each in self.files
            if each.startswith(f"{path}/")
        }
        return tuple(sorted(names)) if names else Unknown("absent", f"{path} is not there")

    def units(self) -> Known[dict[str, Unit]]:
        return {"kubelet.service": Unit("loaded", "activating", "enabled")}


def packaged(**more: str) -> dict[str, Known[str]]:
    files: dict[str, Known[str]] = {
        "/usr/lib/systemd/system/kubelet.service": "[Service]\nExecStart=/usr/bin/kubelet\n",
        f"{DROP_IN}/10-kubeadm.conf": capture("10-kubeadm.conf"),
    }
    return {**files, **more}


def test_a_fresh_package_has_no_settings() -> None:
    assert settings(FakeHost(packaged())) == ({}, "", None)


def test_what_kubeadm_wrote() -> None:
    files = packaged()
    files["/var/lib/kubelet/config.yaml"] = capture("kubelet-kubeadm-1.31.yaml")
    answer: Known[Output] = Output(("kubelet",), 0, "Kubernetes v1.31.4\n", "")
    kubelet = describe(FakeHost(files), "/usr/bin/kubelet", lambda: answer)
    assert (kubelet.version, kubelet.unit, kubelet.active) == ("v1.31.4", "enabled", False)
    assert (kubelet.cgroup_driver, kubelet.resolv_conf) == (
        "systemd",
        "/run/systemd/resolve/resolv.conf",
    )
    assert (kubelet.fail_swap_on, kubelet.swap_behavior) == (None, "")
    assert kubelet.config_path == "/var/lib/kubelet/config.yaml"


def test_flags_beat_drop_ins_beat_the_file() -> None:
    files = packaged()
    files["/var/lib/kubelet/config.yaml"] = capture("kubelet-kubeadm-1.31.yaml")
    files["/etc/default/kubelet"] = (
        "# mine\nKUBELET_EXTRA_ARGS='--fail-swap-on=false --config-dir /etc/kubelet.d'\n"
    )
    files["/var/lib/kubelet/kubeadm-flags.env"] = (
        'KUBELET_KUBEADM_ARGS="--cgroup-driver=cgroupfs --pod-infra-container-image=x"\n'
    )
    files["/etc/kubelet.d/10-a.conf"] = "failSwapOn: true\nmemorySwap:\n  swapBehavior: NoSwap\n"
    files["/etc/kubelet.d/20-b.conf"] = 'memorySwap:\n  swapBehavior: "LimitedSwap"\n'
    files["/etc/kubelet.d/30-c.yaml"] = "cgroupDriver: ignored\n"
    values, path, problem = settings(FakeHost(files))
    assert values["cgroupDriver"] == "cgroupfs"
    assert values["failSwapOn"] == "false"
    assert values["memorySwap.swapBehavior"] == "LimitedSwap"
    assert (path, problem) == ("/var/lib/kubelet/config.yaml", None)


def test_an_administrators_drop_in_replaces_the_packages_of_the_same_name() -> None:
    files = packaged()
    files["/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"] = (
        "[Service]\nExecStart=\nExecStart=/opt/kubelet --config=/opt/k.yaml\n"
    )
    files["/opt/k.yaml"] = "cgroupDriver: cgroupfs\n"
    values, path, _ = settings(FakeHost(files))
    assert (values, path) == ({"cgroupDriver": "cgroupfs"}, "/opt/k.yaml")


def test_without_a_unit_the_environment_files_count() -> None:
    files: dict[str, Known[str]] = {
        "/etc/sysconfig/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on=0\n"
    }
    values, _, _ = settings(FakeHost(files))
    assert values == {"failSwapOn": "0"}


def test_settings_that_cannot_be_read() -> None:
    for text in (Unknown("denied", "no"), "- a\n- b\n"):
        files = packaged()
        files["/var/lib/kubelet/config.yaml"] = text
        values, path, problem = settings(FakeHost(files))
        assert (values, path) == ({}, "")
        assert problem is not None


def test_a_version_that_is_not_told() -> None:
    failed: Known[Output] = Unknown("timeout", "late")
    kubelet = describe(FakeHost({}), "/usr/bin/kubelet", lambda: failed)
    assert kubelet.version == ""
    assert kubelet.version_unknown == Unknown("timeout", "late")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Kubernetes v1.37.0\n", "v1.37.0"),
        ("I0101 start\nKubernetes v1.24.1+k3s1\n", "v1.24.1+k3s1"),
        ("", ""),
        ("Kubernete\n", ""),
    ],
)
def test_kubelet_version(text: str, version: str) -> None:
    assert parse_kubelet_version(text) == version


@pytest.mark.parametrize(
    ("unit", "state"),
    [
        (Unit("loaded", "active", "enabled"), ("enabled", True)),
        (Unit("loaded", "inactive", "disabled"), ("disabled", False)),
        (Unit("not-found", "inactive", ""), ("not-found", False)),
        (Unit("masked", "inactive", "masked"), ("masked", False)),
    ],
)
def test_unit_state(unit: Unit, state: tuple[str, bool]) -> None:
    assert unit_state({"kubelet.service": unit}) == state


def test_unit_state_without_systemd() -> None:
    absent = Unknown("absent", "systemd does not run here")
    assert unit_state(absent) == (absent, absent)
    assert isinstance(unit_state({})[0], Unknown)


def test_unit_text() -> None:
    service = parse_unit(
        [
            '[Service]\n; note\nEnvironment=A=1 "B=2 3"\nEnvironmentFile=/a\n'
            "ExecStart=/bin/x \\\n  $B\n",
            "[Service]\nEnvironmentFile=\nEnvironmentFile=-/b\n",
        ]
    )
    assert service.environment == {"A": "1", "B": "2 3"}
    assert service.files == ("/b",)
    assert expand(service.command, service.environment) == ["/bin/x", "2", "3"]
    assert expand("/bin/x ${B} --a=${A} $NONE", service.environment) == ["/bin/x", "2 3", "--a=1"]
    assert parse_unit(["Environment=A=1\nEnvironment=\n"]).environment == {}


def test_environment_file() -> None:
    text = "#c\nA=\"x y\"\nexport B='z'\nC=\nnonsense\n"
    assert parse_environment(text) == {"A": "x y", "B": "z", "C": ""}


def test_flags() -> None:
    words = ["kubelet", "--a=1", "--b", "2", "--c", "--a=3"]
    assert flags(words) == {"a": "3", "b": "2", "c": "true"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a: 1\nb:\n  c: x # y\n  d:\n  - 1\n  e: ''\n", {"a": "1", "b.c": "x", "b.e": ""}),
        ('---\nresolvConf: ""\n', {"resolvConf": ""}),
        (
            '{"failSwapOn": false, "memorySwap": {"swapBehavior": "NoSwap"}}',
            {"failSwapOn": "false", "memorySwap.swapBehavior": "NoSwap"},
        ),
        ("memorySwap: {swapBehavior: NoSwap}\n", {"memorySwap.swapBehavior": "NoSwap"}),
        ("a: &x 1\nb: *x\n", {"a": "1", "b": "1"}),
        ("a: |\n  b: c\n", {"a": "b: c\n"}),
        ("", {}),
    ],
)
def test_yaml_lines(text: str, values: dict[str, str]) -> None:
    assert parse_mapping(text) == values


@pytest.mark.parametrize("text", ["a: [", "{", "just text", "[1]", "a: b: c"])
def test_yaml_lines_refuse(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_mapping(text)


def test_yaml_lines_do_not_unfold_a_bomb() -> None:
    bomb = "a: &a {x: 1}\n" + "".join(
        f"{new}: &{new} {{{', '.join(f'k{i}: *{old}' for i in range(9))}}}\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert len(parse_mapping(bomb)) < 2000
