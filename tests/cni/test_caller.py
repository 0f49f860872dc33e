"""What libcni does for a runtime, done by us: the scenarios of its own test suite for a caller."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from preflight.cni import cache, chain
from preflight.cni.attachment import Attachment
from preflight.cni.failure import PluginFailure, parse_failure
from preflight.cni.spec import NetworkConfig, load
from rules.errors import ConfigError, NodeprepError, UsageError
from tests.cni.recorder import Recorder

PODS = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {"type": "first", "capabilities": {"portMappings": True, "bandwidth": False}},
        {"type": "second", "key": "kept"},
    ],
}
CONTAINER = Attachment("c1", "/proc/self/ns/net")


def network(**changes: Any) -> NetworkConfig:
    return load("/net.d/10-pods.conflist", json.dumps({**PODS, **changes}))


@pytest.fixture
def plugins(tmp_path: Path) -> Recorder:
    recorder = Recorder(tmp_path)
    recorder.make("first")
    recorder.make("second")
    return recorder


@pytest.fixture
def caller(plugins: Recorder, tmp_path: Path) -> chain.Caller:
    return chain.Caller((str(plugins.plugins),), str(tmp_path / "cache"))


def entry(caller: chain.Caller, attachment: Attachment = CONTAINER) -> Path:
    return Path(cache.cache_path("pods", attachment, caller.cache_dir))


def test_add_hands_each_result_to_the_next_plugin(plugins: Recorder, caller: chain.Caller) -> None:
    result = chain.add(network(), CONTAINER, caller)
    assert result["from"] == "second"
    first, second = plugins.calls
    assert (first["call"], second["call"]) == ("ADD first", "ADD second")
    assert (first["container"], first["netns"]) == ("c1", "/proc/self/ns/net")
    assert (first["interface"], first["path"]) == ("eth0", str(plugins.plugins))
    assert "prevResult" not in first["config"]
    assert second["config"] == {
        "type": "second",
        "key": "kept",
        "name": "pods",
        "cniVersion": "1.0.0",
        "prevResult": {"cniVersion": "1.0.0", "from": "first"},
    }


def test_the_cache_is_libcnis_own(caller: chain.Caller) -> None:
    attachment = Attachment(
        "c1", "/run/netns/p1", "eth0", (("IgnoreUnknown", "1"),), {"portMappings": []}
    )
    result = chain.add(network(), attachment, caller)
    path = entry(caller)
    assert path.name == "pods-c1-eth0"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    body = json.loads(path.read_text())
    assert json.loads(base64.b64decode(body.pop("config"))) == PODS
    assert body == {
        "kind": "cniCacheV1",
        "containerId": "c1",
        "ifName": "eth0",
        "networkName": "pods",
        "netns": "/run/netns/p1",
        "cniArgs": [["IgnoreUnknown", "1"]],
        "capabilityArgs": {"portMappings": []},
        "result": result,
    }


def test_only_declared_capabilities_are_injected(plugins: Recorder, caller: chain.Caller) -> None:
    offered = {"portMappings": [{"hostPort": 80}], "bandwidth": {"ingressRate": 1}, "dns": {}}
    chain.add(network(), Attachment("c1", "/x", capabilities=offered), caller)
    first, second = plugins.calls
    assert first["config"]["runtimeConfig"] == {"portMappings": [{"hostPort": 80}]}
    assert "runtimeConfig" not in second["config"]


def test_delete_goes_backwards_with_the_last_result(
    plugins: Recorder, caller: chain.Caller
) -> None:
    chain.add(network(), CONTAINER, caller)
    assert chain.delete(network(), CONTAINER, caller) is True
    calls = plugins.calls[2:]
    assert [item["call"] for item in calls] == ["DEL second", "DEL first"]
    assert {item["config"]["prevResult"]["from"] for item in calls} == {"second"}
    assert not entry(caller).exists()
    assert chain.delete(network(), CONTAINER, caller) is False


def test_check_goes_forwards_with_the_last_result(plugins: Recorder, caller: chain.Caller) -> None:
    chain.add(network(), CONTAINER, caller)
    assert chain.check(network(), CONTAINER, caller) is True
    calls = plugins.calls[2:]
    assert [item["call"] for item in calls] == ["CHECK first", "CHECK second"]
    assert {item["config"]["prevResult"]["from"] for item in calls} == {"second"}


def test_a_failed_add_is_followed_by_del_and_leaves_no_cache(
    plugins: Recorder, caller: chain.Caller
) -> None:
    plugins.fail("second", "ADD", '{"cniVersion": "1.0.0", "code": 7, "msg": "bad", "details": ""}')
    with pytest.raises(PluginFailure, match=r"second ADD: bad \(code 7\)"):
        chain.add(network(), CONTAINER, caller)
    assert [item["call"] for item in plugins.calls] == [
        "ADD first", "ADD second", "DEL second", "DEL first",
    ]  # fmt: skip
    assert not entry(caller).exists()


def test_a_failed_second_add_does_not_take_the_first_away(
    plugins: Recorder, caller: chain.Caller
) -> None:
    chain.add(network(), CONTAINER, caller)
    plugins.fail("first", "ADD", '{"code": 999, "msg": "container veth name already exists"}')
    with pytest.raises(PluginFailure):
        chain.add(network(), CONTAINER, caller)
    assert not [item for item in plugins.calls if item["call"].startswith("DEL")]
    assert entry(caller).exists()


def test_a_failed_del_keeps_the_cache_and_calls_the_rest(
    plugins: Recorder, caller: chain.Caller
) -> None:
    chain.add(network(), CONTAINER, caller)
    plugins.fail("second", "DEL", '{"code": 11, "msg": "later"}')
    with pytest.raises(PluginFailure, match=r"second DEL: later \(code 11\)"):
        chain.delete(network(), CONTAINER, caller)
    assert plugins.calls[-1]["call"] == "DEL first"
    assert entry(caller).exists()


def test_a_damaged_cache_stops_check_and_not_del(plugins: Recorder, caller: chain.Caller) -> None:
    chain.add(network(), CONTAINER, caller)
    entry(caller).write_text("{")
    with pytest.raises(cache.CacheError, match="is damaged"):
        chain.check(network(), CONTAINER, caller)
    chain.delete(network(), CONTAINER, caller)
    assert "prevResult" not in plugins.calls[-1]["config"]
    assert not entry(caller).exists()


def test_check_without_an_add(caller: chain.Caller) -> None:
    with pytest.raises(cache.CacheError, match="no ADD of this container is known"):
        chain.check(network(), CONTAINER, caller)


@pytest.mark.parametrize(("value", "asked"), [(True, 0), ("true", 0), ("false", 2), (False, 2)])
def test_disable_check(plugins: Recorder, caller: chain.Caller, value: object, asked: int) -> None:
    chain.add(network(), CONTAINER, caller)
    assert chain.check(network(disableCheck=value), CONTAINER, caller) is bool(asked)
    assert len(plugins.calls) == 2 + asked


@pytest.mark.parametrize("value", ["yes", "TRUE", 1, "", None])
def test_disable_check_that_is_neither(caller: chain.Caller, value: object) -> None:
    chain.add(network(), CONTAINER, caller)
    with pytest.raises(ConfigError, match="disableCheck"):
        chain.check(network(disableCheck=value), CONTAINER, caller)


def test_versions_before_0_4_have_no_check_and_del_gets_no_result(
    plugins: Recorder, caller: chain.Caller
) -> None:
    old = network(cniVersion="0.3.1")
    chain.add(old, CONTAINER, caller)
    with pytest.raises(chain.CheckUnsupported, match=r"0\.3\.1 has no CHECK"):
        chain.check(old, CONTAINER, caller)
    chain.delete(old, CONTAINER, caller)
    assert "prevResult" not in plugins.calls[-1]["config"]


def test_a_missing_version_is_0_1_0(plugins: Recorder, caller: chain.Caller) -> None:
    body = {key: value for key, value in PODS.items() if key != "cniVersion"}
    chain.add(load("/x.conflist", json.dumps(body)), CONTAINER, caller)
    assert {item["config"]["cniVersion"] for item in plugins.calls} == {"0.1.0"}


@pytest.mark.parametrize(
    ("versions", "spoken"),
    [(["0.4.0", "1.1.0"], "1.1.0"), (["9.0.0"], "1.0.0"), (["0.3.1"], "1.0.0")],
)
def test_cni_versions_are_merged(
    plugins: Recorder, caller: chain.Caller, versions: list[str], spoken: str
) -> None:
    chain.add(network(cniVersions=versions), CONTAINER, caller)
    assert plugins.calls[0]["config"]["cniVersion"] == spoken


@pytest.mark.parametrize("container", ["", "-c", "a/b", "a b", "ä", "a\n", "..\x1b[31m"])
def test_container_ids_that_libcni_refuses(caller: chain.Caller, container: str) -> None:
    with pytest.raises(UsageError, match="container id"):
        chain.add(network(), Attachment(container, "/x"), caller)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a:b", "a b", "x" * 16])
def test_interface_names_that_libcni_refuses(caller: chain.Caller, name: str) -> None:
    with pytest.raises(UsageError, match="interface name"):
        chain.add(network(), Attachment("c1", "/x", name), caller)


@pytest.mark.parametrize("name", ["", "-pods", "a b", "a/../../b", "x\n"])
def test_network_names_that_libcni_refuses(caller: chain.Caller, name: str) -> None:
    with pytest.raises(ConfigError, match="network name"):
        chain.add(network(name=name), CONTAINER, caller)


@pytest.mark.parametrize("pair", [("A;B", "1"), ("A", "1;IP=10.0.0.1"), ("", "x"), ("A", "b=c")])
def test_arguments_cannot_smuggle_others(caller: chain.Caller, pair: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="an argument is"):
        chain.add(network(), Attachment("c1", "/x", arguments=(pair,)), caller)


@pytest.mark.parametrize("kind", ["absent", "../first", "."])
def test_a_plugin_that_is_not_there(caller: chain.Caller, kind: str) -> None:
    with pytest.raises(PluginFailure, match=r"plugin"):
        chain.add(network(plugins=[{"type": kind}]), CONTAINER, caller)


def test_a_plugin_that_prints_no_result(plugins: Recorder, caller: chain.Caller) -> None:
    plugins.make("first", {})
    with pytest.raises(PluginFailure, match="printed no result"):
        chain.add(network(), CONTAINER, caller)


@pytest.mark.parametrize("text", ["[1]", "nonsense", "[" * 100_000, '{"x": NaN'])
def test_a_plugin_that_prints_something_else(
    plugins: Recorder, caller: chain.Caller, text: str
) -> None:
    (plugins.plugins / "first").write_text(f"#!/bin/sh\ncat > /dev/null\nprintf '%s' '{text}'\n")
    with pytest.raises(PluginFailure, match="printed no JSON object"):
        chain.add(network(), CONTAINER, caller)


def test_a_cache_that_cannot_be_written_undoes_the_add(
    plugins: Recorder, caller: chain.Caller, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(NodeprepError, match="cannot be written"):
        chain.add(network(), CONTAINER, caller)
    assert plugins.calls[-1]["call"] == "DEL first"


def test_status_asks_every_plugin_in_order(plugins: Recorder, caller: chain.Caller) -> None:
    assert chain.status(network(cniVersion="1.1.0"), caller) is True
    first, second = plugins.calls
    assert (first["call"], second["call"]) == ("STATUS first", "STATUS second")
    assert (first["container"], first["netns"], first["interface"]) == ("", "", "")
    assert first["path"] == str(plugins.plugins)
    assert second["config"] == {
        "type": "second", "key": "kept", "name": "pods", "cniVersion": "1.1.0",
    }  # fmt: skip


def test_versions_before_1_1_have_no_status(plugins: Recorder, caller: chain.Caller) -> None:
    assert chain.status(network(), caller) is False
    assert plugins.calls == []
    # One file for old and new runtimes: the newest version counts.
    assert chain.status(network(cniVersions=["1.1.0"]), caller) is True
    assert len(plugins.calls) == 2


def test_a_plugin_that_cannot_take_pods(plugins: Recorder, caller: chain.Caller) -> None:
    plugins.fail("second", "STATUS", '{"code": 50, "msg": "the agent does not run"}')
    with pytest.raises(PluginFailure, match="second STATUS: the agent does not run") as caught:
        chain.status(network(cniVersion="1.1.0"), caller)
    assert caught.value.code == 50


@pytest.mark.parametrize(
    ("stdout", "stderr", "said", "code"),
    [
        ('{"code": 4, "msg": "m", "details": "d"}', "", "x ADD: m; d (code 4)", 4),
        ('{"code": "4", "msg": "m"}', "", "x ADD: m", 0),
        ("", "a\npanic: b\n", "x ADD: ended with 2: panic: b", 0),
        ("", "", "x ADD: ended with 2, and nothing printed", 0),
        ('{"code": 999, "msg": "a\\nb"}', "", "x ADD: a b (code 999)", 999),
        ("[]", "", "x ADD: ended with 2: []", 0),
    ],
)
def test_error_documents(stdout: str, stderr: str, said: str, code: int) -> None:
    failure = parse_failure("x", "ADD", 2, stdout, stderr)
    assert (str(failure), failure.code) == (said, code)
