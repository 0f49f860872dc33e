from __future__ import annotations

from pathlib import Path

import pytest

from preflight.facts import cloudinit
from preflight.facts.cloudinit import (
    HostnameOptions,
    collect_cloud_hostname,
    next_hostname,
    parse_options,
    parse_set_hostname,
)
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown

UBUNTU = """\
# The top level settings are used as module and base configuration.
users:
  - default

disable_root: true

# This will cause the set+update hostname module to not operate (if true)
preserve_hostname: false

cloud_init_modules:
  - set_hostname
  - update_hostname
"""
AMAZON_LINUX = "preserve_hostname:  true   # kept by hand\nsystem_info:\n  distro: amazon\n"
USER_DATA = (
    "#cloud-config\nhostname: 'web-1'\nfqdn: \"web-1.example.net\"\nnested:\n  hostname: no\n"
)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (UBUNTU, HostnameOptions(False)),
        (AMAZON_LINUX, HostnameOptions(True)),
        ("preserve_hostname: Yes\n", HostnameOptions(True)),
        ("preserve_hostname: 0\n", HostnameOptions(False)),
        (USER_DATA, HostnameOptions(None, "web-1", "web-1.example.net")),
        ("", HostnameOptions()),
        ("\x00\xff: {{{", HostnameOptions()),
    ],
)
def test_options_of_cloud_config_files(text: str, options: HostnameOptions) -> None:
    assert parse_options(text) == options


def test_the_record_of_the_name_that_was_set() -> None:
    assert parse_set_hostname(
        '{\n "fqdn": "ip-10-0-0-5.internal",\n "hostname": "ip-10-0-0-5"\n}'
    ) == ("ip-10-0-0-5")
    assert parse_set_hostname("{") == ""


OFF = HostnameOptions(True)
ON = HostnameOptions(False)


@pytest.mark.parametrize(
    ("options", "recorded", "previous", "static", "expected"),
    [
        pytest.param(OFF, "cloud", "m1", "m1", None, id="preserved"),
        pytest.param(ON, "cloud", "cloud", "m1", None, id="changed by hand"),
        pytest.param(ON, "cloud", "cloud", "cloud", None, id="the same"),
        pytest.param(ON, "new", "m1", "m1", "new", id="the platform has another"),
        pytest.param(ON, "cloud", "cloud", None, "cloud", id="no file"),
        pytest.param(ON, "cloud", "", "m1", "cloud", id="not run before"),
        pytest.param(ON, "", "", "m1", None, id="nothing is known"),
        pytest.param(HostnameOptions(None, "web-1"), "c", "m1", "m1", "web-1", id="user data"),
        pytest.param(HostnameOptions(None, "", "m1.x.net"), "c", "m1", "m1", None, id="fqdn"),
        pytest.param(
            HostnameOptions(None, "m1", "m1.x.net"), "c", "m1.x.net", "m1.x.net", None, id="long"
        ),
    ],
)
def test_the_name_of_the_next_boot(
    options: HostnameOptions, recorded: str, previous: str, static: str | None, expected: str | None
) -> None:
    assert next_hostname(options, recorded, previous, static) == expected


class _Machine:
    """cloud-init's files below a directory."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        for name in ("CONFIG", "CONFIG_DIRECTORY", "USER_CONFIG", "DISABLED"):
            self._move(name, monkeypatch)
        for name in ("SET_HOSTNAME", "PREVIOUS_HOSTNAME", "INSTANCE_ID"):
            self._move(name, monkeypatch)

    def _move(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cloudinit, name, f"{self.root}{getattr(cloudinit, name)}")

    def write(self, path: str, text: str) -> None:
        file = Path(f"{self.root}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def hostname(self, static: Known[str | None] = "m1") -> Known[str | None]:
        return collect_cloud_hostname(Host(offline=True), static)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Machine:
    return _Machine(tmp_path, monkeypatch)


def test_without_cloud_init_nothing_sets_the_name(machine: _Machine) -> None:
    assert machine.hostname() is None


def test_the_last_file_and_then_user_data_decide(machine: _Machine) -> None:
    machine.write("/etc/cloud/cloud.cfg", UBUNTU)
    machine.write("/var/lib/cloud/data/previous-hostname", "m1\n")
    machine.write("/var/lib/cloud/data/set-hostname", '{"hostname": "cloud"}')
    assert machine.hostname() == "cloud"
    machine.write("/etc/cloud/cloud.cfg.d/10-name.cfg", "hostname: ten\n")
    machine.write("/etc/cloud/cloud.cfg.d/20-name.cfg", "hostname: twenty\n")
    machine.write("/etc/cloud/cloud.cfg.d/30-name.cfg.bak", "hostname: backup\n")
    assert machine.hostname() == "twenty"
    machine.write("/var/lib/cloud/instance/cloud-config.txt", "hostname: user\n")
    assert machine.hostname() == "user"
    machine.write("/etc/cloud/cloud.cfg.d/99-keep.cfg", "preserve_hostname: true\n")
    assert machine.hostname() is None


def test_cloud_init_that_is_turned_off_sets_nothing(machine: _Machine) -> None:
    machine.write("/etc/cloud/cloud.cfg", UBUNTU)
    machine.write("/var/lib/cloud/data/previous-hostname", "cloud\n")
    assert machine.hostname(None) == "cloud"
    machine.write("/etc/cloud/cloud-init.disabled", "")
    assert machine.hostname(None) is None


def test_an_unknown_static_name_stays_unknown(machine: _Machine) -> None:
    machine.write("/etc/cloud/cloud.cfg", UBUNTU)
    unknown = Unknown("denied", "no")
    assert machine.hostname(unknown) == unknown


def test_user_data_that_may_not_be_read_is_unknown(
    machine: _Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write("/etc/cloud/cloud.cfg", UBUNTU)
    refusal = Unknown("denied", "only root may")
    read = Host.read

    def refuse(self: Host, path: str, limit_bytes: int = 0) -> Known[str]:
        return refusal if path == cloudinit.USER_CONFIG else read(self, path)

    monkeypatch.setattr(Host, "read", refuse)
    assert machine.hostname() == refusal
    machine.write("/etc/cloud/cloud.cfg", AMAZON_LINUX)
    assert machine.hostname() is None
