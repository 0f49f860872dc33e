from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

from preflight.facts import containerd, crio
from preflight.facts.containerd import config_argument, read_config
from preflight.facts.model import Known, Unknown
from preflight.facts.model.runtime import RuntimeConfig

CAPTURES = Path(__file__).parents[1] / "captures" / "runtime"
MAIN = containerd.DEFAULT_PATH
V2 = 'plugins."io.containerd.grpc.v1.cri"'
V3 = "plugins.'io.containerd.cri.v1.runtime'"


def capture(name: str) -> str:
    return (CAPTURES / name).read_text()


def reader(files: dict[str, str]) -> Callable[[str], Known[str]]:
    return lambda path: files.get(path, Unknown("absent", f"{path} is not there"))


def containerd_config(files: dict[str, str], merge: bool | None = None) -> RuntimeConfig:
    return read_config(
        MAIN,
        reader(files),
        merge=merge,
        find=lambda pattern: [path for path in files if fnmatch(path, pattern)],
    )


def driver(section: str, value: str = "true") -> str:
    return f"[{section}.containerd.runtimes.runc.options]\nSystemdCgroup = {value}\n"


def test_without_a_file_the_defaults_hold() -> None:
    config = containerd_config({})
    assert config.path == ""
    assert (config.cgroup_driver, config.plugin_dirs) == ("cgroupfs", ("/opt/cni/bin",))
    assert (config.conf_dir, config.max_conf_num) == ("/etc/cni/net.d", 1)
    assert config.socket == "/run/containerd/containerd.sock"


def test_debian_12() -> None:
    config = containerd_config({MAIN: capture("containerd-1.6-debian12.toml")})
    assert (config.path, config.layout) == (MAIN, 2)
    assert (config.plugin_dirs, config.cgroup_driver) == (("/usr/lib/cni",), "cgroupfs")
    assert config.driver_at == ""


def test_config_default_of_containerd_1_6() -> None:
    text = capture("containerd-1.6-default.toml")
    config = containerd_config({MAIN: text})
    assert (config.cgroup_driver, config.driver_at) == ("cgroupfs", MAIN)
    config = containerd_config(
        {MAIN: text.replace("SystemdCgroup = false", "SystemdCgroup = true")}
    )
    assert config.cgroup_driver == "systemd"


def test_docker_switches_cri_off() -> None:
    config = containerd_config({MAIN: capture("containerd-docker.toml")})
    assert config.cri_disabled
    assert config.disabled_at == f"{MAIN}:6"


def test_the_line_in_a_list_of_several_lines() -> None:
    text = "version = 2\ndisabled_plugins = [\n  \"aufs\",\n  'io.containerd.grpc.v1.cri',\n]\n"
    assert containerd_config({MAIN: text}).disabled_at == f"{MAIN}:4"


@pytest.mark.parametrize(
    ("text", "systemd"),
    [
        (f"version = 2\n{driver(V2)}", True),
        (f"version = 3\n{driver(V3)}", True),
        (f"version = 4\n{driver(V3)}", True),
        (driver("plugins.cri"), True),
        ("[plugins.cri]\nsystemd_cgroup = true\n", True),
        # A section of another layout is ignored without a word.
        (f"version = 3\n{driver(V2)}", False),
        (f"version = 2\n{driver(V3)}", False),
        (f"version = 2\n{driver('plugins.cri')}", False),
        (f'version = 2\n[{V2}.containerd]\ndefault_runtime_name = "crun"\n{driver(V2)}', False),
        ("version = 2\n[plugins]\n", False),
    ],
)
def test_the_driver_by_layout(text: str, systemd: bool) -> None:
    assert containerd_config({MAIN: text}).cgroup_driver == ("systemd" if systemd else "cgroupfs")


def test_several_plugin_directories_of_containerd_2() -> None:
    text = (
        f"version = 3\n[{V3}.cni]\nbin_dirs = ['/opt/cni/bin', '/usr/libexec/cni']\n"
        "conf_dir = '/etc/cni/net.d'\nmax_conf_num = 0\n"
    )
    config = containerd_config({MAIN: text})
    assert config.plugin_dirs == ("/opt/cni/bin", "/usr/libexec/cni")
    assert config.max_conf_num == 0


def test_the_socket() -> None:
    k3s = 'version = 2\n[grpc]\naddress = "/run/k3s/containerd/containerd.sock"\n'
    assert containerd_config({MAIN: k3s}).socket == "/run/k3s/containerd/containerd.sock"
    v4 = "version = 4\n[plugins.'io.containerd.server.v1.grpc']\naddress = '/var/run/x.sock'\n"
    assert containerd_config({MAIN: v4}).socket == "/run/x.sock"


def test_imports_are_read_in_order_and_once() -> None:
    files = {
        MAIN: f'version = 2\nimports = ["conf.d/*.toml"]\n[{V2}.cni]\nbin_dir = "/a"\n',
        "/etc/containerd/conf.d/10-a.toml": f'imports = ["{MAIN}"]\n{driver(V2)}',
        "/etc/containerd/conf.d/20-b.toml": "version = 2\noom_score = -999\n",
    }
    replaced = containerd_config(files)
    assert (replaced.cgroup_driver, replaced.plugin_dirs) == ("systemd", ("/opt/cni/bin",))
    assert replaced.driver_at == "/etc/containerd/conf.d/10-a.toml"
    merged = containerd_config(files, merge=True)
    assert (merged.cgroup_driver, merged.plugin_dirs) == ("systemd", ("/a",))


def test_a_drop_in_of_layout_2_below_a_main_file_of_layout_3() -> None:
    files = {
        MAIN: 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n',
        "/etc/containerd/conf.d/a.toml": f"version = 2\n{driver(V2)}",
    }
    assert containerd_config(files).cgroup_driver == "systemd"


def test_disabled_in_a_drop_in() -> None:
    files = {
        MAIN: 'version = 2\nimports = ["/x.toml"]\n',
        "/x.toml": 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n',
    }
    assert containerd_config(files).disabled_at == "/x.toml:1"


@pytest.mark.parametrize(
    "text",
    [
        "version = ",
        "version = 2\nimports = ['/not/there.toml']\n",
        "a = " + "[" * 5000,
    ],
)
def test_what_containerd_could_not_load(text: str) -> None:
    assert containerd_config({MAIN: text}).error


@pytest.mark.parametrize(
    "text",
    [
        "version = 'x'\nplugins = 3\n",
        "version = 2\nplugins = {cri = [1]}\ndisabled_plugins = 'cri'\nimports = 4\n",
        f"version = 2\n[{V2}]\ncni = 3\ncontainerd = []\n",
        f"version = true\n[{V2}.cni]\nbin_dir = 4\nmax_conf_num = 'x'\n",
    ],
)
def test_wrong_types_fall_back_to_the_defaults(text: str) -> None:
    config = containerd_config({MAIN: text})
    assert (config.plugin_dirs, config.max_conf_num) == (("/opt/cni/bin",), 1)


def test_a_file_that_may_not_be_read() -> None:
    config = read_config(MAIN, lambda path: Unknown("denied", f"{path} may not be read"))
    assert config.error == f"{MAIN} may not be read"


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("/usr/bin/containerd", ""),
        ("containerd -c /a.toml", "/a.toml"),
        ("containerd --config /a.toml --log-level info", "/a.toml"),
        ("containerd --config=/a.toml", "/a.toml"),
        ("containerd -c", ""),
        ("containerd 'open", ""),
    ],
)
def test_the_file_that_a_command_names(command: str, path: str) -> None:
    assert config_argument(command) == path


def test_crio_of_fedora() -> None:
    files = {crio.MAIN_PATH: capture("crio-fedora.conf")}
    config = crio.read_config(reader(files), {})
    assert config.cgroup_driver == "systemd"
    assert config.plugin_dirs == ("/opt/cni/bin", "/usr/libexec/cni")
    assert config.conf_dir == "/etc/cni/net.d"
    assert config.socket == "/run/crio/crio.sock"


def test_a_crio_drop_in_wins_key_by_key() -> None:
    files = {
        crio.MAIN_PATH: capture("crio-fedora.conf"),
        "/etc/crio/crio.conf.d/10-crio.conf": '[crio.network]\nplugin_dir = "/x/"\n',
        "/etc/crio/crio.conf.d/02-cgroup.conf": '[crio.runtime]\ncgroup_manager = "cgroupfs"\n',
    }
    names = {"/etc/crio/crio.conf.d": ("10-crio.conf", "02-cgroup.conf")}
    config = crio.read_config(reader(files), names)
    assert (config.cgroup_driver, config.conf_dir) == ("cgroupfs", "/etc/cni/net.d")
    assert config.driver_at == "/etc/crio/crio.conf.d/02-cgroup.conf"
    # plugin_dirs, where it is set, wins over the older key.
    assert config.plugin_dirs == ("/opt/cni/bin", "/usr/libexec/cni")


def test_crio_without_files_and_with_broken_ones() -> None:
    absent: dict[str, Known[tuple[str, ...]]] = {
        "/etc/crio/crio.conf.d": Unknown("absent", "not there")
    }
    config = crio.read_config(reader({}), absent)
    assert (config.path, config.cgroup_driver) == ("", "systemd")
    assert config.plugin_dirs == ("/opt/cni/bin",)
    assert crio.read_config(reader({crio.MAIN_PATH: "["}), absent).error
    denied = {"/etc/crio/crio.conf.d": Unknown("denied", "no")}
    assert crio.read_config(reader({}), dict(denied)).error == "no"
