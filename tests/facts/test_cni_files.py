from __future__ import annotations

import os
from pathlib import Path

import pytest

from preflight.facts import cni as reader
from preflight.facts import cnifiles, plugins
from preflight.facts.cnifiles import directories, read_files
from preflight.facts.host import Host
from preflight.facts.model import Unknown
from preflight.facts.model.cni import CniFile
from preflight.facts.model.runtime import RuntimeConfig
from preflight.facts.plugins import (
    NOT_IN_USE,
    finish,
    parse_version_answer,
    read_plugin,
    read_plugins,
    start_version,
    untrusted,
)
from tests.facts.test_elf import elf
from tests.nodes.cni import CONFLIST

HOST = Host(offline=True)


def runtime(conf_dir: str, *plugin_dirs: str, kind: str = "containerd") -> RuntimeConfig:
    return RuntimeConfig(kind, "", "", plugin_dirs, conf_dir)


def test_directories_in_use_come_first() -> None:
    configs = (
        runtime("/opt/rke2/net.d/", "/opt/rke2/bin/", "/opt/cni/bin"),
        RuntimeConfig("crio", "", "", (), "", error="is not TOML"),
    )
    conf, plugin = directories(configs)
    assert conf == ("/opt/rke2/net.d", "/etc/cni/net.d")
    assert plugin == ("/opt/rke2/bin", "/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
    assert directories(())[0] == ("/etc/cni/net.d",)


def test_files_that_a_runtime_may_take(tmp_path: Path) -> None:
    for name in ("b.conflist", "a.conf", "c.json", "d.conflist.bak", "README"):
        (tmp_path / name).write_text(name)
    (tmp_path / "sub.conf").mkdir()
    (tmp_path / "dead.conf").symlink_to(tmp_path / "nowhere")
    (tmp_path / "large.conf").write_text("x" * (cnifiles.FILE_LIMIT_BYTES + 1))
    files = read_files(HOST, (str(tmp_path), str(tmp_path / "absent")))
    assert not isinstance(files, Unknown)
    found = {file.path.rpartition("/")[2]: file.text for file in files}
    assert list(found) == ["a.conf", "b.conflist", "c.json", "dead.conf", "large.conf"]
    assert found["a.conf"] == "a.conf"
    assert isinstance(found["dead.conf"], Unknown)
    assert found["dead.conf"].reason == "failed"
    assert isinstance(found["large.conf"], Unknown)
    assert found["large.conf"].reason == "not-asked"


def test_a_directory_that_may_not_be_read_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = Unknown("denied", "may not be read")
    monkeypatch.setattr(HOST, "listdir", lambda _path: denied)
    assert read_files(HOST, (str(tmp_path),)) == denied
    assert read_plugins(HOST, (str(tmp_path),), ()) == denied


def test_plugins_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "sound").write_bytes(elf())
    (tmp_path / "sound").chmod(0o755)
    (tmp_path / "cut").write_bytes(elf()[:500])
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    found = read_plugins(HOST, (str(tmp_path), str(tmp_path / "absent")), ())
    assert not isinstance(found, Unknown)
    by_name = {plugin.name: plugin for plugin in found}
    assert sorted(by_name) == ["cut", "dead", "empty", "fifo", "sound"]
    sound = by_name["sound"]
    assert (sound.machine, sound.damage, sound.executable) == ("x86_64", "", True)
    assert (sound.size_bytes, sound.mode, sound.versions) == (4192, 0o755, NOT_IN_USE)
    assert "cut off" in by_name["cut"].damage
    assert not by_name["cut"].executable
    assert by_name["empty"].damage == "the file is empty"
    assert by_name["dead"].damage == "the link leads nowhere"
    assert by_name["fifo"].damage == "it is not a file"


def test_a_plugin_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bridge").write_bytes(elf())

    def refuse(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    found = read_plugin(str(tmp_path / "bridge"), NOT_IN_USE)
    assert found is not None
    assert isinstance(found.machine, Unknown)
    assert found.machine.reason == "denied"


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        (
            '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}\n',
            ("0.4.0", "1.0.0"),
        ),
        ("", None),
        ("not json", None),
        ("[]", None),
        ('{"supportedVersions": "1.0.0"}', None),
        ('{"supportedVersions": [1]}', None),
    ],
)
def test_answers_to_version(text: str, versions: tuple[str, ...] | None) -> None:
    answer = parse_version_answer(text)
    if versions is None:
        assert isinstance(answer, Unknown)
        assert answer.reason == "failed"
    else:
        assert answer == versions


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


ANSWER = 'cat > /dev/null; test "$CNI_COMMAND" = VERSION && '
ANSWER += 'echo \'{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}\''


def test_version_is_asked_of_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "untrusted", lambda _path: "")
    path = script(tmp_path / "bridge", ANSWER)
    assert finish(start_version(str(path))) == ("1.0.0",)
    found = read_plugins(HOST, (str(tmp_path),), (str(path),))
    assert not isinstance(found, Unknown)
    assert found[0].versions == ("1.0.0",)


@pytest.mark.parametrize(
    ("body", "reason"), [("exit 1", "failed"), ("sleep 5", "timeout"), ("echo hi", "failed")]
)
def test_a_plugin_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    monkeypatch.setattr(plugins, "untrusted", lambda _path: "")
    monkeypatch.setattr(plugins, "VERSION_LIMIT_S", 0.3)
    answer = finish(start_version(str(script(tmp_path / "bridge", f"exec {body}"))))
    assert isinstance(answer, Unknown)
    assert answer.reason == reason


@pytest.mark.skipif(os.geteuid() != 0, reason="only root refuses to run what others may write")
def test_root_runs_no_plugin_that_others_may_write(tmp_path: Path) -> None:
    # pytest's own directory is below /tmp, which is everybody's but sticky.
    path = script(tmp_path / "bridge", ANSWER)
    tmp_path.chmod(0o755)
    assert untrusted(str(path)) == ""
    path.chmod(0o777)
    answer = start_version(str(path))
    assert isinstance(answer, Unknown)
    assert answer.reason == "denied"
    assert "may be written by others" in answer.message
    path.chmod(0o755)
    tmp_path.chmod(0o777)
    assert f"{tmp_path} may be written" in untrusted(str(path))
    tmp_path.chmod(0o755)
    os.chown(path, 12345, 0)
    assert "belongs to user 12345" in untrusted(str(path))


def test_winners_and_their_programs(tmp_path: Path) -> None:
    conf, first, second = tmp_path / "net.d", tmp_path / "one", tmp_path / "two"
    for folder in (conf, first, second):
        folder.mkdir()
    for name in ("bridge", "host-local"):
        (second / name).touch()
    (first / "bridge").touch()
    config = runtime(str(conf), str(first), str(second))
    files = (CniFile(f"{conf}/10-a.conflist", CONFLIST),)
    networks = reader.winners(files, (config,))
    assert [network.name for network, _ in networks] == ["pods"]
    assert reader.programs(HOST, networks, (config,)) == {
        f"{first}/bridge",
        f"{second}/host-local",
    }
    assert reader.lease_dirs(networks) == ("/var/lib/cni/networks",)


def test_no_winner_for_a_broken_runtime_or_file() -> None:
    files = (CniFile("/etc/cni/net.d/10-a.conflist", "{"),)
    assert reader.winners(files, ()) == ()
    broken = RuntimeConfig("crio", "", "", (), "", error="is not TOML")
    assert reader.winners((CniFile("/etc/cni/net.d/a.conflist", CONFLIST),), (broken,)) == ()


def test_lease_directories_that_the_chain_names() -> None:
    text = CONFLIST.replace('"host-local",', '"host-local", "dataDir": "/run/cni-ipam-state",')
    networks = reader.winners((CniFile("/etc/cni/net.d/a.conflist", text),), ())
    assert reader.lease_dirs(networks) == ("/var/lib/cni/networks", "/run/cni-ipam-state")
