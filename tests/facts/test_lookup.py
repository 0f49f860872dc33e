from __future__ import annotations

import threading
from ipaddress import ip_address

import pytest

from preflight.facts import lookup
from preflight.facts.lookup import (
    ask_name_servers,
    ask_name_service,
    find_in_hosts,
    find_localhost,
    parse_hosts,
    questions,
    start_lookup,
)
from preflight.facts.model import Known, Unknown
from preflight.facts.model.identity import NameLookup
from preflight.facts.model.network import ResolvConf

DEBIAN = """\
127.0.0.1\tlocalhost
127.0.1.1\tm1.example.net\tm1

# The following lines are desirable for IPv6 capable hosts
::1     localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
"""
RHEL = """\
127.0.0.1   localhost localhost.localdomain localhost4 localhost4.localdomain4
::1         localhost localhost.localdomain localhost6 localhost6.localdomain6
192.0.2.11  M1.example.net
"""
BLOCKING = "".join(f"0.0.0.0 ads{number}.example.com\n" for number in range(2000))
NONE = ResolvConf("/etc/resolv.conf", "/etc/resolv.conf", ("192.0.2.53",))
STUB = ResolvConf("/etc/resolv.conf", "/etc/resolv.conf", ("127.0.0.53",))
V4, V6 = ip_address("127.0.0.1"), ip_address("::1")


def test_only_the_wanted_names_are_kept() -> None:
    entries = parse_hosts(DEBIAN + BLOCKING, ("m1", "localhost"))
    assert [str(entry.address) for entry in entries] == ["127.0.0.1", "127.0.1.1", "::1"]
    assert entries[1].names == ("m1.example.net", "m1")


def test_lines_that_are_no_entries_are_left_out() -> None:
    assert parse_hosts("m1 m1\n999.1.1.1 m1\n# 192.0.2.1 m1\n192.0.2.1\n\n", ("m1",)) == ()


@pytest.mark.parametrize(
    ("text", "name", "addresses"),
    [
        (DEBIAN, "m1", ["127.0.1.1"]),
        (DEBIAN, "m1.example.net", ["127.0.1.1"]),
        (DEBIAN, "localhost", ["127.0.0.1", "::1"]),
        (RHEL, "m1.example.net", ["192.0.2.11"]),
        (RHEL, "m1", None),
    ],
)
def test_a_name_is_found_as_it_is_written(
    text: str, name: str, addresses: list[str] | None
) -> None:
    found = find_in_hosts(parse_hosts(text, ("m1", "localhost")), name)
    assert (None if found is None else [str(item) for item in found.addresses]) == addresses


@pytest.mark.parametrize(
    ("hosts", "nsswitch", "resolver", "source", "found"),
    [
        ("127.0.0.1 localhost\n", "hosts: files dns\n", NONE, "/etc/hosts", True),
        ("", "hosts: files dns\n", NONE, "/etc/hosts", False),
        ("", "", NONE, "/etc/hosts", False),
        ("", "hosts: files dns # myhostname\n", NONE, "/etc/hosts", False),
        ("", "hosts:      files myhostname dns\n", NONE, "built in", True),
        ("", "hosts: mymachines resolve [!UNAVAIL=return] files dns\n", NONE, "built in", True),
        ("", "hosts: files dns\n", STUB, "built in", True),
        ("", "hosts: files\n", STUB, "/etc/hosts", False),
        ("", "hosts: files dns\n", Unknown("denied", "no"), "/etc/hosts", False),
    ],
)
def test_localhost_is_found_without_a_name_server(
    hosts: str, nsswitch: str, resolver: Known[ResolvConf], source: str, found: bool
) -> None:
    answer = find_localhost(parse_hosts(hosts, ("localhost",)), nsswitch, resolver)
    assert answer.source == source
    assert bool(answer.addresses) is found
    assert bool(answer.error) is not found


@pytest.mark.parametrize(
    ("name", "search", "asked"),
    [
        ("m1.example.net", ("example.org",), ("m1.example.net.",)),
        ("m1", ("example.net", "lab.example.net."), ("m1.example.net.", "m1.lab.example.net.")),
        ("m1", (), ("m1.",)),
        ("m1", (".",), ("m1.",)),
        ("m1", ("a", "b", "c", "d"), ("m1.a.", "m1.b.", "m1.c.")),
    ],
)
def test_name_servers_are_asked_for_absolute_names(
    name: str, search: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    assert questions(name, search) == asked


def _server(records: dict[str, list[str]]) -> tuple[list[str], object]:
    asked: list[str] = []

    def ask(question: str, source: str) -> Known[NameLookup]:
        asked.append(question)
        suffixes = [record for record in records if record.startswith("*")]
        texts = records.get(question)
        for record in suffixes:
            if texts is None and question.endswith(record[1:]):
                texts = records[record]
        if texts == ["refused"]:
            return Unknown("failed", "refused")
        return NameLookup(question, tuple(ip_address(text) for text in texts or ()), source=source)

    return asked, ask


def _ask(records: dict[str, list[str]], name: str, *search: str) -> Known[NameLookup]:
    return ask_name_servers(name, search, "nobody", _server(records)[1])  # type: ignore[arg-type]


def test_the_record_of_a_name_is_found_in_its_domain() -> None:
    answer = _ask({"m1.example.net.": ["192.0.2.99"]}, "m1", "lab.example.net", "example.net")
    assert answer == NameLookup("m1.example.net", (ip_address("192.0.2.99"),), "", "name server")


def test_a_domain_that_answers_for_every_name_says_nothing() -> None:
    answer = _ask({"*.example.net.": ["203.0.113.5"]}, "m1", "example.net")
    assert isinstance(answer, NameLookup)
    assert answer.addresses == ()
    assert "example.net answers for every name" in answer.error


def test_a_record_of_its_own_beside_a_wildcard_is_found() -> None:
    records = {"*.example.net.": ["203.0.113.5"], "m1.example.net.": ["192.0.2.99"]}
    answer = _ask(records, "m1", "example.net")
    assert isinstance(answer, NameLookup)
    assert answer.addresses == (ip_address("192.0.2.99"),)


def test_no_record_is_an_answer_and_a_refusal_is_none() -> None:
    answer = _ask({}, "m1", "example.net")
    assert isinstance(answer, NameLookup)
    assert answer.addresses == ()
    refused = _ask({"m1.example.net.": ["refused"]}, "m1", "example.net")
    assert refused == Unknown("failed", "refused")


def test_a_lookup_that_hangs_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "LOOKUP_LIMIT_S", 0.02)
    release = threading.Event()

    def hang() -> Known[NameLookup]:
        release.wait(10)
        return NameLookup("m1", ())

    answer = start_lookup(hang)()
    release.set()
    assert isinstance(answer, Unknown)
    assert answer.reason == "timeout"


def test_a_lookup_that_ends_is_answered() -> None:
    assert start_lookup(lambda: NameLookup("m1", (V4,)))() == NameLookup("m1", (V4,))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        ("EAI_NONAME", NameLookup("m1", (), "the name is not known", "name service")),
        ("EAI_AGAIN", Unknown("failed", "m1 could not be looked up: said so")),
    ],
)
def test_a_name_that_is_not_known_is_told_from_a_server_that_is_silent(
    raised: str, expected: Known[NameLookup], monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def getaddrinfo(*_args: object, **_more: object) -> object:
        raise socket.gaierror(getattr(socket, raised), "said so")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert ask_name_service("m1") == expected


def test_addresses_are_read_once_each_and_without_their_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import socket

    answers = [("192.0.2.1", 0), ("192.0.2.1", 0), ("fe80::1%eth0", 0, 0, 2)]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_args, **_more: [(0, 0, 0, "", item) for item in answers]
    )
    found = ask_name_service("m1")
    assert isinstance(found, NameLookup)
    assert found.addresses == (ip_address("192.0.2.1"), ip_address("fe80::1"))


def test_a_name_beyond_ascii_is_not_asked_for() -> None:
    found = ask_name_service("knöten")
    assert isinstance(found, NameLookup)
    assert found.error == "the name is not ASCII"
