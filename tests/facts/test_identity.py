from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from preflight.facts import hostkeys
from preflight.facts.codec import decode, encode
from preflight.facts.host import Host
from preflight.facts.hostkeys import collect_host_keys, parse_public_key
from preflight.facts.identity import collect, effective_node_name, parse_etc_hostname
from preflight.facts.model import Unknown
from preflight.facts.model.identity import HostKey, Identity
from preflight.settings import Settings
from tests.nodes import identity

# Made for this test; the fingerprints are what `ssh-keygen -l` printed for them.
ED25519 = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPuHBmM2fIFS6XR44X/DY46bFXBzmxsoQG7nf42FdFOO root@m1\n"
)
ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOS7h+MDJSMHYO5Jl/"
    "8dsP3/LYnWsnGUeFc0wSftMqbdAQsIsAgw55yyA7I3vUrQZY5+nWEJ9LoAF25Y7bSs074= root@m1\n"
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("m1\n", "m1"),
        ("m1", "m1"),
        ("# made by the installer\n\n  m1.example.net \n", "m1.example.net"),
        ("", ""),
        ("\n#m1\n", ""),
    ],
)
def test_etc_hostname(text: str, name: str) -> None:
    assert parse_etc_hostname(text) == name


def test_the_node_is_named_by_configuration_then_by_the_machine_in_lower_case() -> None:
    assert effective_node_name(Settings(), "M1 ") == "m1"
    assert effective_node_name(Settings(node_name="Web-1"), "m1") == "web-1"


@pytest.mark.parametrize(
    ("text", "kind", "fingerprint"),
    [
        (ED25519, "ssh-ed25519", "SHA256:ZNhPjFKHvkq/L+0YAvFphjzHooLgNIECDhR/7nVbXiM"),
        (ECDSA, "ecdsa-sha2-nistp256", "SHA256:tYfpsHrlIs44OALFf7WmADsd4xPTuKau8SG/+wRHOgs"),
    ],
)
def test_fingerprints_are_those_of_ssh_keygen(text: str, kind: str, fingerprint: str) -> None:
    assert parse_public_key("/k", text) == HostKey("/k", kind, fingerprint)


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 A", "ssh-rsa näh"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_public_key("/k", text) is None


def test_only_public_host_keys_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostkeys, "DIRECTORY", str(tmp_path))
    (tmp_path / "ssh_host_ed25519_key.pub").write_text(ED25519)
    (tmp_path / "ssh_host_ed25519_key").write_text("the private half")
    (tmp_path / "ssh_host_rsa_key.pub").write_text("broken")
    found = collect_host_keys(Host())
    assert not isinstance(found, Unknown)
    assert [key.type for key in found] == ["ssh-ed25519"]
    monkeypatch.setattr(hostkeys, "DIRECTORY", str(tmp_path / "none"))
    assert collect_host_keys(Host()) == ()


def test_this_machine_is_read_without_a_packet_and_survives_a_file() -> None:
    found = collect(Host(offline=True), Settings())
    assert found.hostname
    servers = found.name_server_lookup
    assert isinstance(servers, Unknown)
    assert servers.reason == "not-asked"
    assert decode(Identity, encode(found)) == found


def test_the_healthy_node_survives_a_file() -> None:
    node = identity.healthy()
    assert decode(Identity, encode(node)) == node
    unknown = replace(node, machine_id=Unknown("denied", "no"))
    assert decode(Identity, encode(unknown)) == unknown
