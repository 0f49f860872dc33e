from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from preflight.facts import cni as reader
from preflight.facts import cnistate
from preflight.facts.cnistate import (
    parse_cache_entry,
    parse_lease,
    pinned_namespaces,
    read_cache,
    read_leases,
    read_traces,
    running_containers,
)
from preflight.facts.host import Host
from preflight.facts.model import Unknown
from preflight.settings import Settings

HOST = Host(offline=True)
ID = "3f6b1c1e0f3a4a0c9c8e1d2b3a4f5e6d7c8b9a0f1e2d3c4b5a69788796a5b4c3"
# As libcni 1.2 writes it; 1.1 and older leave netns out.
CACHE = {
    "kind": "cniCacheV1",
    "containerId": ID,
    "config": "e30=",
    "ifName": "eth0",
    "networkName": "pods",
    "netns": "/var/run/netns/cni-5f2a",
    "cniArgs": [["IgnoreUnknown", "1"]],
    "result": {"cniVersion": "1.0.0"},
}


@pytest.mark.parametrize(
    ("text", "container"),
    [(f"{ID}\r\neth0", ID), (ID, ID), (f" {ID} \n", ID), ("", "")],
)
def test_lease_files_of_all_ages(text: str, container: str) -> None:
    assert parse_lease(text) == container


def test_leases_of_both_families(tmp_path: Path) -> None:
    pods = tmp_path / "pods"
    pods.mkdir()
    (pods / "10.244.1.2").write_text(f"{ID}\r\neth0")
    (pods / "fd00::2").write_text(f"{ID}\r\neth0")
    (pods / "last_reserved_ip.0").write_text("10.244.1.2")
    (pods / "lock").touch()
    (tmp_path / "stray").write_text("x")
    past = time.time() - 3600
    os.utime(pods / "10.244.1.2", (past, past))
    leases = read_leases(HOST, (str(tmp_path), str(tmp_path / "absent")))
    assert not isinstance(leases, Unknown)
    assert [(lease.network, lease.address) for lease in leases] == [
        ("pods", "10.244.1.2"),
        ("pods", "fd00::2"),
    ]
    assert leases[0].container == ID
    assert 3590 < leases[0].age_s < 3700
    assert leases[1].age_s < 60
    assert leases[0].path == f"{pods}/10.244.1.2"


def test_leases_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cnistate, "ENTRIES_LIMIT", 3)
    (tmp_path / "pods").mkdir()
    for number in range(9):
        (tmp_path / "pods" / f"10.244.1.{number}").write_text(ID)
    leases = read_leases(HOST, (str(tmp_path),))
    assert not isinstance(leases, Unknown)
    assert len(leases) == 3


def test_a_refused_directory_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = Unknown("denied", "may not be read")
    host = Host(offline=True)
    monkeypatch.setattr(host, "listdir", lambda _path: denied)
    assert read_leases(host, ("/var/lib/cni/networks",)) == denied
    assert read_cache(host) == denied
    assert running_containers(host) == denied
    assert pinned_namespaces(host) == denied


def test_cache_entries_with_and_without_a_namespace() -> None:
    entry = parse_cache_entry(json.dumps(CACHE), "/x", 5.0)
    assert entry is not None
    assert (entry.network, entry.container, entry.interface) == ("pods", ID, "eth0")
    assert entry.netns == "/var/run/netns/cni-5f2a"
    older = {key: value for key, value in CACHE.items() if key != "netns"}
    entry = parse_cache_entry(json.dumps(older), "/x", 5.0)
    assert entry is not None
    assert entry.netns == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "other"}', "[" * 100_000])
def test_what_is_no_cache_entry_is_left_out(text: str) -> None:
    assert parse_cache_entry(text, "/x", 5.0) is None


def test_the_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cnistate, "CACHE_DIRS", (str(tmp_path), str(tmp_path / "absent")))
    (tmp_path / f"pods-{ID}-eth0").write_text(json.dumps(CACHE))
    (tmp_path / "junk").write_text("junk")
    entries = read_cache(HOST)
    assert not isinstance(entries, Unknown)
    assert [entry.container for entry in entries] == [ID]


def test_running_containers_of_every_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = tmp_path / "tasks"
    for place in ("k8s.io/a", "k8s.io/b", "moby/c"):
        (tasks / place).mkdir(parents=True)
    (tmp_path / "crio" / "d").mkdir(parents=True)
    monkeypatch.setattr(
        cnistate,
        "CONTAINER_DIRS",
        (f"{tasks}/*", f"{tmp_path}/crio", f"{tmp_path}/absent/*", f"{tmp_path}/absent"),
    )
    found = running_containers(HOST)
    assert not isinstance(found, Unknown)
    assert sorted(found) == ["a", "b", "c", "d"]


def test_pinned_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cnistate, "NAMESPACE_DIRS", (str(tmp_path), str(tmp_path / "absent")))
    (tmp_path / "cni-5f2a").touch()
    assert pinned_namespaces(HOST) == (f"{tmp_path}/cni-5f2a",)


def test_traces_of_products(tmp_path: Path) -> None:
    subnet = tmp_path / "subnet.env"
    subnet.write_text("FLANNEL_NETWORK=10.244.0.0/16\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    manager = tmp_path / "conf.d"
    manager.mkdir()
    (manager / "calico.conf").write_text(
        "[keyfile]\nunmanaged-devices=interface-name:cali*;interface-name:tunl*\n"
    )
    (manager / "10-dns.conf").write_text("[main]\ndns=none\n")
    names = ("subnet.env", "empty", "full", "absent")
    traces = read_traces(HOST, [f"{tmp_path}/{name}" for name in names], (str(manager),))
    assert traces == {
        str(subnet): "FLANNEL_NETWORK=10.244.0.0/16",
        f"{tmp_path}/full": "",
        f"{manager}/calico.conf": "unmanaged-devices=interface-name:cali*;interface-name:tunl*",
    }


@pytest.mark.parametrize(
    ("running", "kept", "expected"),
    [
        (("a",), ("b",), ("a", "b")),
        (("a",), Unknown("absent", "no socket"), ("a",)),
        (("a",), Unknown("denied", "socket"), Unknown("denied", "socket")),
        (Unknown("denied", "/run"), ("b",), ("b",)),
        (Unknown("denied", "/run"), (), Unknown("denied", "/run")),
    ],
)
def test_live_containers(
    monkeypatch: pytest.MonkeyPatch, running: object, kept: object, expected: object
) -> None:
    monkeypatch.setattr(cnistate, "running_containers", lambda _host: running)
    monkeypatch.setattr(reader, "candidates", lambda _socket: ("/run/x.sock",))
    monkeypatch.setattr(reader, "pod_sandbox_ids", lambda _socket: kept)
    assert reader.live(HOST, Settings(), anything=True) == expected


def test_the_runtime_is_not_asked_where_nothing_was_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cnistate, "running_containers", lambda _host: ("a",))
    monkeypatch.setattr(reader, "pod_sandbox_ids", lambda _socket: pytest.fail("asked"))
    assert reader.live(HOST, Settings(), anything=False) == ("a",)


def test_the_whole_subject_is_read_here() -> None:
    cni = reader.collect(HOST, Settings())
    assert "/etc/cni/net.d" in cni.conf_dirs
    assert "/opt/cni/bin" in cni.plugin_dirs
