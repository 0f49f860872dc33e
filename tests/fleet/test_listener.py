"""The listener: silent to strangers, whatever they send; and what the messages hold."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.fleet.reach import filterview, wire
from preflight.fleet.reach.errqueue import parse
from preflight.fleet.reach.key import make_key, read_key
from preflight.fleet.reach.model import Errand, IcmpError, Outcome, Peer
from preflight.fleet.reach.prober import Prober
from preflight.fleet.reach.settle import Evidence, settle
from rules.cluster import Role
from rules.errors import ConfigError
from rules.sockets import SYN_RECEIVED, parse_connections
from tests.kernel import require_kernel

ROOT = Path(__file__).parents[2]
KEY = bytes(range(32))


def message(**changes: object) -> wire.Message:
    fields = {
        "kind": wire.PROBE,
        "protocol": 17,
        "port": 8472,
        "session": b"8 bytes!",
        "sequence": 7,
        "sent_ns": 1_795_435_200_000_000_000,
        "size": wire.SMALLEST_BYTES,
        "wanted": 0,
        "to": wire.place(ip_address("192.0.2.21")),
        "body": b"",
        **changes,
    }
    return wire.Message(**fields)  # type: ignore[arg-type]


@given(st.integers(wire.SMALLEST_BYTES, 9000), st.binary(max_size=80))
def test_a_message_is_read_as_it_was_written(size: int, body: bytes) -> None:
    data = wire.encode(KEY, message(size=size, body=body))
    assert len(data) == size == wire.size_of(data)
    found = wire.decode(KEY, data)
    assert found is not None
    assert found.body[: len(body)] == body
    assert not found.body[len(body) :].strip(b"\0")
    assert (found.port, found.sequence, found.session) == (8472, 7, b"8 bytes!")


@given(st.integers(0, wire.SMALLEST_BYTES - 1), st.integers(1, 255))
def test_no_changed_byte_is_taken(place: int, change: int) -> None:
    data = bytearray(wire.encode(KEY, message()))
    data[place] ^= change
    assert wire.decode(KEY, bytes(data)) is None


@given(st.binary(max_size=300))
def test_noise_is_no_message(data: bytes) -> None:
    assert wire.decode(KEY, data) is None
    assert wire.decode(KEY, wire.MAGIC + data) is None


def test_a_message_under_another_key_is_not_taken() -> None:
    assert wire.decode(bytes(32), wire.encode(KEY, message())) is None


def test_the_size_is_told_from_the_beginning_and_bounded() -> None:
    data = wire.encode(KEY, message())
    assert wire.size_of(b"") == wire.size_of(data[:10]) == 0
    assert wire.size_of(data[:52]) == wire.SMALLEST_BYTES
    for size in (0, 67, wire.LARGEST_BYTES + 1, 2**32 - 1):
        assert wire.size_of(data[:28] + size.to_bytes(4, "big") + data[32:]) is None
    assert wire.size_of(b"HTTP") is None


def test_no_sequence_counts_twice_in_any_order() -> None:
    replays = wire.Replays()
    numbers = list(range(1, 900))
    random.Random(7).shuffle(numbers)  # noqa: S311
    assert all(replays.is_new(b"a", number) for number in numbers)
    assert not any(replays.is_new(b"a", number) for number in numbers)
    assert replays.is_new(b"b", 1)
    # What is too old to be known is not new.
    assert replays.is_new(b"a", 10_000)
    assert not replays.is_new(b"a", 10_000 - wire.Replays.WINDOW)
    assert replays.is_new(b"a", 10_001 - wire.Replays.WINDOW)
    assert not replays.is_new(b"a", 10_001 - wire.Replays.WINDOW)


def test_a_full_table_takes_no_new_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.Replays, "SESSIONS", 2)
    replays = wire.Replays()
    assert [replays.is_new(name, 1) for name in (b"a", b"b", b"c")] == [True, True, False]
    assert not replays.is_new(b"a", 1)


def test_a_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    place = make_key(str(tmp_path / "key"))
    assert place.stat().st_mode & 0o777 == 0o600
    first = read_key(str(place))
    assert len(first) == 32
    make_key(str(place))
    assert read_key(str(place)) == first


def test_the_key_is_in_the_state_directory_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEPREP_STATE_DIR", str(tmp_path / "state"))
    with pytest.raises(ConfigError, match="copy the key of the node that listens"):
        read_key()
    place = make_key()
    assert place == tmp_path / "state" / "probe" / "key"
    assert place.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert len(read_key()) == 32


def test_a_key_that_others_may_read_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = make_key(str(tmp_path / "key"))
    read_key(str(place))
    assert capsys.readouterr().err == ""
    place.chmod(0o644)
    read_key(str(place))
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"nodeprep: warning: {place}: others may read the key (mode 644), and answer in a node's "
        f"place; chmod 600 {place}\n"
    )


@pytest.mark.parametrize("text", ["", "5a", "5a" * 31, "5a" * 33, "x" * 64, "\u00e9" * 64])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        read_key(str(tmp_path / "key"))


def test_icmp_errors_as_the_kernel_queues_them() -> None:
    # struct sock_extended_err, then struct sockaddr_in: 192.0.2.1 says 3/4 with an MTU of 1400.
    v4 = bytes.fromhex("5a000000 02 03 04 00 78050000 00000000 0200 0000 c0000201 0000000000000000")
    assert parse(v4) == IcmpError("192.0.2.1", 3, 4, 1400)
    v6 = bytes.fromhex(
        "6f000000 03 01 04 00 00000000 00000000 0a00 0000 00000000"
        "20010db8000000000000000000000001 00000000"
    )
    assert parse(v6) == IcmpError("2001:db8::1", 1, 4, 0)
    # This host's own word (EMSGSIZE of the link) is no ICMP.
    assert parse(bytes.fromhex("5a000000 01 00 00 00 dc050000 00000000") + bytes(16)) is None


def test_a_connection_that_waits_for_its_last_packet_is_told_from_an_open_one() -> None:
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout"
        " inode\n"
        "   0: 0C0200C0:192B 0B0200C0:C001 03 00000000:00000000 01:00000014 00000000     0     "
        "   0 0 1 x\n"
        "   1: 0C0200C0:280A 0B0200C0:C002 01 00000000:00000000 00:00000000 00000000     0     "
        "   0 77 1 x\n"
    )
    (half,) = parse_connections(table, SYN_RECEIVED)
    assert (half.remote, half.local_port) == (ip_address("192.0.2.11"), 6443)
    (whole,) = parse_connections(table)
    assert whole.local_port == 10250


def test_who_accepts_and_is_slow_is_no_wrong_answerer() -> None:
    """The first connection gets no word, the others the right one."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            held, _ = server.accept()
            while True:
                try:
                    opened, _ = server.accept()
                except OSError:
                    held.close()
                    return
                with opened:
                    asked = wire.decode(KEY, opened.recv(70_000))
                    if asked is not None:
                        size = max(wire.SMALLEST_BYTES, asked.wanted)
                        answer = replace(asked, kind=wire.ANSWER, size=size, body=b"")
                        opened.sendall(wire.encode(KEY, answer))

        serving = threading.Thread(target=serve)
        serving.start()
        home = ip_address("127.0.0.1")
        errand = Errand(
            Peer("x", Role.WORKER, (home,)), home, "tcp", server.getsockname()[1], (), ""
        )
        raw = Prober(KEY, lambda _: 200).run(errand)
        server.shutdown(socket.SHUT_RDWR)
        serving.join()
    assert raw.answered == raw.sent - 1 >= 2
    assert settle(raw, Evidence()).outcome is Outcome.OPEN


@pytest.mark.kernel
def test_a_listener_under_attack(tmp_path: Path) -> None:
    require_kernel()
    done = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c",
         'ip link set lo up && exec "$@"', "sh",
         sys.executable, "-m", "tests.fleet.attack", str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert seen["before"]
    assert seen["under_fire"]
    assert seen["after"]
    assert seen["heard_bytes"] == 0
    assert (seen["answers_to_one"], seen["answers_to_replays"]) == (1, 0)
    assert seen["answer_bytes"] <= seen["probe_bytes"]
    assert (seen["answers_to_another_nodes"], seen["answers_behind_nat"]) == (0, 1)
    assert seen["peak_mib"] < 64
    assert 1.5 < seen["stopped_after_s"] < 6
    assert seen["code"] == 0
    report = seen["report"]
    # The kernel may drop some of a flood; what came was counted.
    assert report["wrong"] > 50_000
    assert report["replayed"] == 50
    assert [each["source"] for each in report["heard"]] == ["127.0.0.1"]


@pytest.mark.kernel
def test_a_port_that_is_in_use_is_left_to_its_holder_and_named(tmp_path: Path) -> None:
    require_kernel()
    script = (
        "import socket, subprocess, sys\n"
        "held = socket.create_server(('', 10250), family=socket.AF_INET6, dualstack_ipv6=True)\n"
        "sys.exit(subprocess.run([sys.executable, '-m', 'preflight', 'listen', '--role', 'worker',"
        f" '--seconds', '1', '--key', {str(tmp_path / 'key')!r}, '-o', 'json']).returncode)\n"
    )
    done = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c",
         'ip link set lo up && exec "$@"', "sh", sys.executable, "-c", script],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    held = [port for port in report["ports"] if port["port"] == 10250]
    assert {port["family"] for port in held} == {4, 6}
    assert all(port["held_by"].startswith("python") for port in held), held


def test_rules_are_read_again_beside_the_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question gets the new rules; where reading them takes long, it does not wait for them."""
    read: list[int] = []
    gate = threading.Event()
    gate.set()

    class View:
        def __init__(self) -> None:
            gate.wait(5)
            read.append(len(read))
            self.number = read[-1]

        def incoming(self, *_: object) -> dict[str, str]:
            return {"8472/udp": f"reading {self.number}"}

    monkeypatch.setattr(filterview, "FilterView", View)
    monkeypatch.setattr(filterview.FreshView, "_OLD_S", 0.0)
    monkeypatch.setattr(filterview.FreshView, "_SHARE", 0)
    view = filterview.FreshView()
    home = ip_address("127.0.0.1")
    time.sleep(0.01)
    view.refresh()
    assert view.incoming(home, [])["8472/udp"] != "reading 0"
    gate.clear()
    before = len(read)
    time.sleep(0.01)
    began = time.monotonic()
    view.incoming(home, [])
    assert time.monotonic() - began < 2
    # One reading at a time, however many ask.
    view.refresh()
    view.refresh()
    gate.set()
    time.sleep(0.2)
    assert len(read) == before + 1
