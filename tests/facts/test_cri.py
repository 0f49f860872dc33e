from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from preflight.facts import cri
from preflight.facts.model import Unknown
from preflight.facts.model.runtime import socket_path
from preflight.facts.protobuf import (
    WireError,
    blobs,
    number,
    parse_message,
    put_bool,
    put_bytes,
    put_varint,
    text,
)
from tests.criserver import Runtime, listen, serving

CNI = {"cni": {"binDir": "/usr/lib/cni", "confDir": "/etc/cni/net.d"}}
RUNC = {"containerd": {"runtimes": {"runc": {"options": {"SystemdCgroup": True}}}}}


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "cri.sock")


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("unix:///run/containerd/containerd.sock", "/run/containerd/containerd.sock"),
        ("unix:///var/run/crio/crio.sock", "/run/crio/crio.sock"),
        ("/var/run/cri-dockerd.sock", "/run/cri-dockerd.sock"),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
        ("", ""),
    ],
)
def test_socket_path(endpoint: str, path: str) -> None:
    assert socket_path(endpoint) == path


def test_a_runtime_that_tells_all(place: str) -> None:
    with serving(place, Runtime(config={**CNI, **RUNC}, sandboxes=("a1", "b2"))):
        server = cri.ask(place)
        assert cri.pod_sandbox_ids(place) == ("a1", "b2")
    assert (server.name, server.version, server.api) == ("containerd", "v2.3.1", "v1")
    assert (server.cgroup_driver, server.configured_driver) == ("systemd", "systemd")
    assert (server.ready, server.network_ready) == (True, False)
    assert server.network_message == "cni plugin not initialized"
    assert (server.plugin_dirs, server.conf_dir) == (("/usr/lib/cni",), "/etc/cni/net.d")
    assert (server.error, server.reason) == ("", "")


def test_cgroupfs_and_several_plugin_directories(place: str) -> None:
    several = {"cni": {"binDir": "", "binDirs": ["/a", "/b"], "confDir": "/c"}}
    with serving(place, Runtime(driver="cgroupfs", config=several)):
        server = cri.ask(place)
    assert (server.cgroup_driver, server.plugin_dirs) == ("cgroupfs", ("/a", "/b"))


def test_a_runtime_without_runtime_config(place: str) -> None:
    with serving(place, Runtime(driver="", config={"containerd": {"runtimes": {"runc": {}}}})):
        server = cri.ask(place)
    assert (server.api, server.cgroup_driver, server.configured_driver) == ("v1", "", "cgroupfs")


def test_a_runtime_that_speaks_only_v1alpha2(place: str) -> None:
    with serving(place, Runtime(api="v1alpha2")):
        assert cri.ask(place).api == "v1alpha2"


def test_a_runtime_that_is_not_ready(place: str) -> None:
    with serving(place, Runtime(ready=False)):
        server = cri.ask(place)
    assert server.ready is False
    assert server.ready_message == "shim missing"


def test_an_answer_beyond_the_flow_control_window(place: str) -> None:
    with serving(place, Runtime(config=CNI, padding=300_000)):
        server = cri.ask(place)
    assert server.plugin_dirs == ("/usr/lib/cni",)


def test_cri_switched_off(place: str) -> None:
    with serving(place, Runtime(api="")):
        server = cri.ask(place)
        ids = cri.pod_sandbox_ids(place)
    assert server.reason == "unimplemented"
    assert isinstance(ids, Unknown)


def test_no_socket_and_no_listener(place: str) -> None:
    assert cri.ask(place).reason == "absent"
    listen(place).close()
    assert cri.ask(place).reason == "refused"
    ids = cri.pod_sandbox_ids(place)
    assert isinstance(ids, Unknown)
    assert ids.reason == "absent"


def test_a_file_in_the_place_of_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "containerd.sock"
    path.write_text("")
    assert cri.ask(str(path)).reason == "refused"


def test_nobody_answers(place: str) -> None:
    listener = listen(place)
    server = cri.ask(place, timeout_s=0.05)
    listener.close()
    assert server.reason == "timeout"


def test_nobody_accepts(place: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            client.connect_ex(place)
            waiting.append(client)
        assert cri.ask(place, timeout_s=0.05).reason == "timeout"
        for client in waiting:
            client.close()


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x00" * 40])
def test_another_server_on_the_socket(place: str, said: bytes) -> None:
    listener = listen(place)

    def talk() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            if said:
                connection.sendall(said)

    thread = threading.Thread(target=talk)
    thread.start()
    server = cri.ask(place, timeout_s=0.5)
    thread.join()
    listener.close()
    assert server.reason == "protocol"


def test_a_scheme_that_is_no_unix_socket() -> None:
    assert cri.ask("tcp://127.0.0.1:1").reason == "absent"
    assert isinstance(cri.pod_sandbox_ids("tcp://127.0.0.1:1"), Unknown)


@pytest.mark.skipif(os.geteuid() != 0, reason="changes its own user id")
def test_a_socket_that_only_root_may_open(tmp_path: Path) -> None:
    path = tmp_path / "cri.sock"
    listener = listen(str(path))
    path.chmod(0o600)
    tmp_path.chmod(0o755)
    # Everything is imported first: the libraries need not be readable for that user.
    script = (
        f"import os, sys; sys.path.insert(0, {os.getcwd()!r})\n"
        "import h2.connection, preflight.facts.grpcclient, preflight.facts.protobuf\n"
        "from preflight.facts.cri import ask\n"
        "os.setgid(65534); os.setuid(65534)\n"
        f"print(ask({str(path)!r}, timeout_s=0.2).reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    listener.close()
    assert done.stdout.strip() == "denied"


def test_without_a_name_only_sockets_that_exist_are_candidates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = tuple(str(tmp_path / name) for name in ("a.sock", "b.sock", "c.sock"))
    monkeypatch.setattr(cri, "KNOWN_SOCKETS", known)
    assert cri.candidates("") == ()
    listen(known[1]).close()
    (tmp_path / "c.sock").write_text("a file")
    assert cri.candidates("") == (known[1],)
    assert cri.candidates("unix:///var/run/x.sock") == ("/run/x.sock",)


def test_wire_format() -> None:
    message = (
        put_bytes(1, b"abc") + put_bool(2, True) + b"\x1d\x01\x02\x03\x04" + put_bytes(1, b"d")
    )
    parsed = parse_message(message)
    assert (blobs(parsed, 1), text(parsed, 1), number(parsed, 2)) == ([b"abc", b"d"], "d", 1)
    assert (number(parsed, 9), text(parsed, 9)) == (0, "")
    assert put_varint(300) == b"\xac\x02"


@pytest.mark.parametrize(
    "data", [b"\x0a\x05ab", b"\x08", b"\x08" + b"\xff" * 11, b"\x0b", b"\x09\x01"]
)
def test_wire_format_refuses(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_message(data)


def test_wire_format_refuses_other_types() -> None:
    with pytest.raises(WireError):
        number(parse_message(put_bytes(1, b"x")), 1)
    with pytest.raises(WireError):
        blobs(parse_message(put_bool(1, True)), 1)
