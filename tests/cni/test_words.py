"""What people write and what other programs print: flags, Docker's JSON, ICMP, CRI answers."""

from __future__ import annotations

import json
from ipaddress import ip_address
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.cni import icmp
from preflight.cni.docker import docker_namespace, parse_inspect
from preflight.cni.outside import parse_outside
from preflight.cni.sandbox import RuntimeFailure, parse_status
from preflight.cni.services import Service, iptables_rules, nft_text
from preflight.facts.protobuf import put_bytes
from preflight.runs.cni_container import parse_argument, parse_publish
from rules.errors import CommandError, UsageError


@pytest.mark.parametrize(
    ("word", "entry"),
    [
        ("8080:80", {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}),
        ("53:53/udp", {"hostPort": 53, "containerPort": 53, "protocol": "udp"}),
        (
            "192.0.2.1:80:8080",
            {"hostPort": 80, "containerPort": 8080, "protocol": "tcp", "hostIP": "192.0.2.1"},
        ),
        (
            "[2001:db8::1]:80:8080/sctp",
            {"hostPort": 80, "containerPort": 8080, "protocol": "sctp", "hostIP": "2001:db8::1"},
        ),
    ],
)
def test_ports_of_the_host(word: str, entry: dict[str, object]) -> None:
    assert parse_publish(word) == entry


@pytest.mark.parametrize("word", ["", "80", "0:80", "80:65536", "80:80/icmp", "x:80:80", "80:80;a"])
def test_what_is_no_port_of_the_host(word: str) -> None:
    with pytest.raises(UsageError, match="--publish"):
        parse_publish(word)


def test_arguments() -> None:
    assert parse_argument("IP=10.0.0.1") == ("IP", "10.0.0.1")
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_argument("IP")


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:53", "192.0.2.1 port 53"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1 port 443"),
    ],
)
def test_places_outside(word: str, shown: str) -> None:
    assert str(parse_outside(word)) == shown


@pytest.mark.parametrize("word", ["", "example.net", "127.0.0.1", "::", "192.0.2.1:99999", "a:b"])
def test_what_is_no_place_outside(word: str) -> None:
    with pytest.raises(UsageError, match="--outside"):
        parse_outside(word)


def inspect(**changes: object) -> str:
    found = {"Id": "f00", "State": {"Pid": 42}, "HostConfig": {"NetworkMode": "none"}, **changes}
    return json.dumps([found])


def test_a_container_of_docker() -> None:
    assert parse_inspect(inspect(), "web") == ("f00", "/proc/42/ns/net")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"State": {"Pid": 0}}, "does not run"),
        ({"HostConfig": {"NetworkMode": "bridge"}}, "--network none"),
        ({"HostConfig": {"NetworkMode": "host"}}, "Docker's network 'host'"),
    ],
)
def test_a_container_that_cni_cannot_have(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_inspect(inspect(**changes), "web")


@pytest.mark.parametrize("text", ["", "[]", "{}", "[{}]", "null"])
def test_what_docker_does_not_print(text: str) -> None:
    with pytest.raises(CommandError, match="printed no container"):
        parse_inspect(text, "web")


@pytest.mark.parametrize("name", ["", "-v", "a;b", "a b", "../x"])
def test_names_that_docker_does_not_give(name: str) -> None:
    with pytest.raises(UsageError, match="no name of a Docker container"):
        docker_namespace(name)


# ICMP


@pytest.mark.parametrize("size", [28, 84, 1500, 9000])
def test_an_echo_fills_the_packet(size: int) -> None:
    assert len(icmp.echo(4, 1, 1, size)) == max(8, size - 20)
    assert len(icmp.echo(6, 1, 1, size)) == max(8, size - 40)


def ip_header() -> bytes:
    return bytes([0x45]) + bytes(19)


def test_a_reply_is_told_from_everything_else() -> None:
    reply = pack("!BBHHH", 0, 0, 0, 7, 3)
    assert icmp.parse(4, ip_header() + reply) == icmp.Heard(7, 3)
    assert icmp.parse(4, ip_header() + icmp.echo(4, 7, 3, 84)) is None  # our own request
    assert icmp.parse(6, pack("!BBHHH", 129, 0, 0, 7, 3)) == icmp.Heard(7, 3)


def test_what_routers_say() -> None:
    inner = ip_header() + icmp.echo(4, 7, 3, 84)
    small = pack("!BBHHH", 3, 4, 0, 0, 1400) + inner
    assert icmp.parse(4, ip_header() + small) == icmp.Heard(7, 3, "fragmentation needed", 1400)
    refused = pack("!BBHHH", 3, 13, 0, 0, 0) + inner
    assert icmp.parse(4, ip_header() + refused) == icmp.Heard(7, 3, "administratively prohibited")
    big = pack("!BBHI", 2, 0, 0, 1280) + bytes(40) + icmp.echo(6, 7, 3, 84)
    assert icmp.parse(6, big) == icmp.Heard(7, 3, "packet too big", 1280)


@given(st.sampled_from([4, 6]), st.binary(max_size=120))
def test_no_packet_breaks_the_parser(family: int, data: bytes) -> None:
    heard = icmp.parse(family, data)
    assert heard is None or 0 <= heard.identifier <= 0xFFFF


# CRI


def status(info: str) -> bytes:
    network = put_bytes(1, b"10.244.1.2") + put_bytes(2, put_bytes(1, b"fd00::2"))
    entry = put_bytes(1, b"info") + put_bytes(2, info.encode())
    return put_bytes(1, put_bytes(1, b"id") + put_bytes(5, network)) + put_bytes(2, entry)


def test_the_namespace_of_a_sandbox() -> None:
    spec = {"linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/run/netns/x"}]}}
    found = parse_status(status(json.dumps({"runtimeSpec": spec})), "id")
    assert (found.netns, found.addresses) == ("/run/netns/x", ("10.244.1.2", "fd00::2"))


@pytest.mark.parametrize("info", ["", "{}", "[]", '{"runtimeSpec": null}', "{"])
def test_a_runtime_that_does_not_tell_the_namespace(info: str) -> None:
    with pytest.raises(RuntimeFailure, match="does not tell the network namespace"):
        parse_status(status(info), "id")


# Services

SERVICE = Service(
    ip_address("10.96.0.9"), 80, ip_address("10.244.1.3"), 18080, (ip_address("10.244.1.2"),)
)


def test_the_rules_of_a_service_are_for_its_senders_alone() -> None:
    text = nft_text((SERVICE,), "nodeprep_prove_x")
    assert (
        "ip saddr { 10.244.1.2 } ip daddr 10.96.0.9 tcp dport 80 dnat to 10.244.1.3:18080" in text
    )
    jump, masquerade = iptables_rules(SERVICE, "nodeprep_prove_x")
    assert jump[:5] == ["PREROUTING", "-s", "10.244.1.2", "-d", "10.96.0.9"]
    assert masquerade[:5] == ["POSTROUTING", "-s", "10.244.1.3", "-d", "10.244.1.3"]
