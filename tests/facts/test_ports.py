from __future__ import annotations

import errno
import os
import socket
import time

import pytest

from preflight.facts.bindprobe import probe
from preflight.facts.host import Host
from preflight.facts.model import Unknown, known
from preflight.facts.model.ports import BindProbe
from preflight.facts.portranges import parse_port_range, parse_reserved
from preflight.facts.ports import bound_ports, collect
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice, PortNumbers


@pytest.mark.parametrize(
    ("text", "wanted"), [("32768\t60999\n", (32768, 60999)), ("1024 65535", (1024, 65535))]
)
def test_port_range(text: str, wanted: tuple[int, int]) -> None:
    assert parse_port_range(text) == wanted


@pytest.mark.parametrize("text", ["", "1", "a b", "1 2 3", "-1 5"])
def test_no_port_range(text: str) -> None:
    found = parse_port_range(text)
    assert isinstance(found, Unknown)
    assert found.reason == "failed"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\n", ()),
        ("8080\n", ((8080, 8080),)),
        ("8080,30000-32767\n", ((8080, 8080), (30000, 32767))),
    ],
)
def test_reserved_ports(text: str, wanted: tuple[tuple[int, int], ...]) -> None:
    assert parse_reserved(text) == wanted


@pytest.mark.parametrize("text", ["x", "-", "1-x"])
def test_no_reserved_ports(text: str) -> None:
    assert isinstance(parse_reserved(text), Unknown)


def test_which_ports_are_tried() -> None:
    ports = bound_ports(Settings())
    assert {("tcp", 6443), ("tcp", 2379), ("tcp", 2380), ("tcp", 10250)} <= set(ports)
    assert ("udp", 8472) not in ports
    other = Cluster(cni=CniChoice("flannel"), ports=PortNumbers(api_server=8443))
    ports = bound_ports(Settings(cluster=other))
    assert ("udp", 8472) in ports
    assert ("tcp", 8443) in ports
    assert not any(30000 <= port <= 32767 for _, port in ports)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_free_port_can_be_bound_again_and_again() -> None:
    port = free_port()
    assert {each.error for each in probe([("tcp", port)] * 3)} <= {"", "EAFNOSUPPORT"}


def test_a_socket_that_does_not_listen_is_found() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        assert probe([("tcp", port)])[0] == BindProbe("tcp", 4, port, "EADDRINUSE")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        assert probe([("udp", port)])[0] == BindProbe("udp", 4, port, "EADDRINUSE")


def test_a_closed_connection_is_not_in_the_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        # The server's side closes first, and so its port stays in TIME_WAIT.
        accepted.close()
        assert client.recv(1) == b""
        client.close()
    assert probe([("tcp", port)])[0] == BindProbe("tcp", 4, port, "")


def test_somebody_who_looks_at_the_same_moment_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    port = held.getsockname()[1]
    monkeypatch.setattr(time, "sleep", lambda _: held.close())
    assert probe([("tcp", port)])[0].error == ""


@pytest.mark.parametrize("number", [errno.EACCES, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
def test_errors_keep_their_names(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", refuse)
    assert {each.error for each in probe([("udp", 1)])} == {errno.errorcode[number]}


def test_of_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        facts = collect(Host(), Settings())
        port = server.getsockname()[1]
        (own,) = (each for each in known(facts.listeners) if each.port == port)
        assert own.pid == os.getpid()
        assert own.process
        assert not own.kernel
        first, last = known(facts.ephemeral)
        assert 0 < first <= last < 65536
        assert known(facts.bind_probes)


def test_ports_are_not_tried_while_components_start() -> None:
    facts = collect(Host(probe_ports=False), Settings())
    assert isinstance(facts.bind_probes, Unknown)
    assert facts.bind_probes.reason == "not-asked"
