"""The operator's own connection, and whether one like it would get in again."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from rules.access import Admission, Hook
from rules.flows import Protocol
from rules.lifecycle.session import Session, operator_session, parse_connection, refusal

SESSION = Session(ip_address("203.0.113.9"), 50000, ip_address("192.0.2.11"), 22)


@pytest.mark.parametrize(
    ("text", "client", "server"),
    [
        ("203.0.113.9 50000 192.0.2.11 22", "203.0.113.9", "192.0.2.11"),
        ("2001:db8::9 50000 2001:db8::11 22", "2001:db8::9", "2001:db8::11"),
        ("fe80::9%eth0 50000 fe80::11%eth0 22", "fe80::9", "fe80::11"),
        ("::ffff:203.0.113.9 50000 ::ffff:192.0.2.11 22", "203.0.113.9", "192.0.2.11"),
    ],
)
def test_ssh_connection(text: str, client: str, server: str) -> None:
    session = parse_connection(text)
    assert session is not None
    assert (str(session.client), session.client_port) == (client, 50000)
    assert (str(session.server), session.server_port) == (server, 22)


@pytest.mark.parametrize(
    "text", ["", "a b c d", "203.0.113.9 1 192.0.2.11", "203.0.113.9 0 192.0.2.11 22",
             "203.0.113.9 1 192.0.2.11 65536", "203.0.113.9 x 192.0.2.11 22"]
)  # fmt: skip
def test_other_text_is_no_connection(text: str) -> None:
    assert parse_connection(text) is None


@pytest.fixture(autouse=True)
def _parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own parent may be any process, 1 and 50 among them."""
    monkeypatch.setattr(os, "getppid", lambda: 4321)


def process(proc: Path, pid: int, parent: int, comm: str, environ: str = "") -> Path:
    place = proc / str(pid)
    place.mkdir(parents=True)
    (place / "comm").write_text(f"{comm}\n")
    (place / "stat").write_text(f"{pid} (a) b) S {parent} 1 1")
    (place / "environ").write_text(environ)
    return place


def test_found_above_sudo(tmp_path: Path) -> None:
    process(tmp_path, os.getppid(), 50, "sudo")
    process(tmp_path, 50, 1, "bash", "A=1\0SSH_CONNECTION=203.0.113.9 50000 192.0.2.11 22\0B=2")
    process(tmp_path, 1, 0, "systemd")
    assert operator_session({}, str(tmp_path)) == SESSION


def test_the_socket_counts_more_than_the_variable(tmp_path: Path) -> None:
    process(tmp_path, os.getppid(), 50, "bash")
    sshd = process(tmp_path, 50, 1, "sshd-session")
    (sshd / "fd").mkdir()
    (sshd / "fd" / "4").symlink_to("socket:[777]")
    (sshd / "fd" / "5").symlink_to("/dev/null")
    (sshd / "net").mkdir()
    (sshd / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st ...\n"
        "   0: 00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 778 1\n"
        "   1: 0B0200C0:0016 097100CB:C350 01 0:0 0:0 0 0 0 777 1\n"
    )
    variables = {"SSH_CONNECTION": "198.18.0.1 1 192.0.2.11 22"}
    assert operator_session(variables, str(tmp_path)) == SESSION
    (sshd / "net" / "tcp").write_text("")
    (sshd / "net" / "tcp6").write_text(
        "  sl\n   1: B80D0120000000000000000011000000:0016 "
        "B80D0120000000000000000009000000:C350 01 0:0 0:0 0 0 0 777 1\n"
    )
    found = operator_session({}, str(tmp_path))
    assert found is not None
    assert str(found.client) == "2001:db8::9"


def test_none_at_a_console(tmp_path: Path) -> None:
    process(tmp_path, os.getppid(), 1, "login")
    assert operator_session({}, str(tmp_path)) is None
    assert operator_session({}, str(tmp_path / "nothing")) is None


def admission(source: str, ports: tuple[int, int] | None = (22, 22)) -> Admission:
    network = ip_network(source)
    return Admission("ssh", "sshd", Hook.INPUT, network.version, Protocol.TCP, ports, None,
                     (network,))  # fmt: skip


@pytest.mark.parametrize(
    ("source", "ports"),
    [("203.0.113.0/24", (22, 22)), ("203.0.113.9/32", (1, 22)), ("0.0.0.0/0", None)],
)
def test_admitted(source: str, ports: tuple[int, int] | None) -> None:
    assert refusal(SESSION, (admission(source, ports),)) == ""


@pytest.mark.parametrize(
    ("source", "ports", "words"),
    [
        ("203.0.114.0/24", (22, 22), "the flow ssh admits 203.0.114.0/24 only"),
        ("0.0.0.0/0", (23, 23), "no flow admits 22/tcp from 203.0.113.9"),
        ("2001:db8::/32", (22, 22), "no flow admits 22/tcp"),
    ],
)
def test_not_admitted(source: str, ports: tuple[int, int], words: str) -> None:
    said = refusal(SESSION, (admission(source, ports),))
    assert words in said
    assert "nodeprep:enforce" in said


def test_forwarded_is_not_admitted() -> None:
    forward = Admission(**{**vars(admission("0.0.0.0/0")), "hook": Hook.FORWARD})
    assert refusal(SESSION, (forward,))


def test_loopback_always_gets_in() -> None:
    here = ip_address("127.0.0.1")
    assert refusal(Session(here, 50000, here, 22), ()) == ""
