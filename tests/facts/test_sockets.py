from __future__ import annotations

import socket
import struct
from ipaddress import ip_address
from pathlib import Path

import pytest

from preflight.facts import netlink, sockets
from preflight.facts.host import Host
from preflight.facts.model import known
from preflight.facts.sockets import Socket, parse_diag, parse_proc_net, read_sockets

# /proc/net of Debian 12, Ubuntu 24.04 (systemd-resolved) and RHEL 9 (cockpit), x86_64.
CAPTURES = Path(__file__).parents[1] / "captures/ports"
TCP, TCP6, UDP = ((CAPTURES / f"{name}.txt").read_text() for name in ("tcp", "tcp6", "udp"))
ANY = "0.0.0.0"  # noqa: S104  (nothing is bound)
little_endian = pytest.mark.skipif(
    struct.pack("=H", 1) != b"\1\0", reason="captured on little-endian machines"
)


@little_endian
def test_proc_net_of_three_distributions() -> None:
    assert parse_proc_net(TCP, "tcp") == [
        Socket("tcp", ip_address(ANY), 22, 17433),
        Socket("tcp", ip_address("127.0.0.53"), 53, 18402),
    ]
    assert parse_proc_net(TCP6, "tcp") == [
        Socket("tcp", ip_address("::"), 9090, 19033),
        Socket("tcp", ip_address("2001:db8::11"), 6443, 19034),
        Socket("tcp", ip_address("192.0.2.11"), 8080, 19035),
    ]
    assert parse_proc_net(UDP, "udp") == [
        Socket("udp", ip_address("127.0.0.1"), 323, 16420),
        Socket("udp", ip_address(ANY), 8472, 16422),
    ]
    assert parse_proc_net("", "tcp") == []


class Proc(Host):
    def __init__(self, files: dict[str, str]) -> None:
        super().__init__()
        self.files = files

    def read_bytes(self, path: str, limit_bytes: int = 0) -> bytes:
        return self.files[path].encode()


@little_endian
def test_proc_net_is_read_where_the_kernel_has_no_socket_diagnosis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> list[bytes]:
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(netlink, "dump", refuse)
    both = TCP6 + TCP6.splitlines()[1].replace(":2382", ":0016").replace("19033", "19040") + "\n"
    files = {"/proc/net/tcp": TCP, "/proc/net/tcp6": both, "/proc/net/udp": UDP}
    found = known(read_sockets(Proc({**files, "/proc/net/udp6": ""})))
    dual = {(each.port, each.dual) for each in found if each.address == ip_address("::")}
    # On 22 an IPv4 socket has every address, so that of IPv6 takes none of its packets.
    assert dual == {(9090, True), (22, False)}


def message(family: int, port: int, address: str, inode: int, v6_only: int | None = None) -> bytes:
    packed = ip_address(address).packed.ljust(16, b"\0")
    body = struct.pack("=BBBB", family, 10, 0, 0) + struct.pack(">HH", port, 0) + packed
    body += bytes(16) + bytes(12) + bytes(12) + struct.pack("=II", 0, inode)
    assert len(body) == 72
    body += struct.pack("=HHBxxx", 5, 8, 0)  # INET_DIAG_SHUTDOWN
    return body if v6_only is None else body + struct.pack("=HHBxxx", 5, 11, v6_only)


def test_socket_diagnosis() -> None:
    answer = [
        message(2, 22, ANY, 7),
        message(10, 6443, "::", 8, 0),
        message(10, 6444, "::", 9, 1),
        message(10, 6445, "fd00::1", 10, 0),
        message(10, 6446, "::ffff:192.0.2.1", 11, 0),
        b"short",
        message(1, 5, ANY, 12),
    ]
    assert parse_diag(answer, "tcp") == [
        Socket("tcp", ip_address(ANY), 22, 7),
        Socket("tcp", ip_address("::"), 6443, 8, dual=True),
        Socket("tcp", ip_address("::"), 6444, 9),
        Socket("tcp", ip_address("fd00::1"), 6445, 10),
        Socket("tcp", ip_address("192.0.2.1"), 6446, 11),
    ]


def test_the_sockets_of_this_test_are_seen_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with udp, socket.create_server(("127.0.0.1", 0)) as tcp:
        udp.bind(("127.0.0.1", 0))
        ports = {tcp.getsockname()[1], udp.getsockname()[1]}
        seen = known(read_sockets(Host()))
        assert ports <= {each.port for each in seen}
        monkeypatch.setattr(sockets, "_ask_kernel", _refused)
        assert set(known(read_sockets(Host()))) >= {each for each in seen if each.port in ports}


def _refused() -> tuple[Socket, ...]:
    raise PermissionError


def test_what_is_cut_off_ends_the_parse() -> None:
    header = struct.Struct("=IHHII")
    good = header.pack(20, 20, 2, 1, 0) + b"body"
    assert list(netlink.messages(good + header.pack(4, 3, 0, 0, 0))) == [(20, 2, b"body")]
    attribute = struct.pack("=HH", 6, 0x8001) + b"ab\0\0"
    assert netlink.attributes(attribute + b"\x01") == {1: b"ab"}
    assert netlink.attributes(attribute + struct.pack("=HH", 0, 5)) == {1: b"ab"}


def test_an_error_of_the_kernel_is_an_oserror() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        netlink.dump(netlink.SOCK_DIAG, 0x7FF0, b"\0" * 8)
