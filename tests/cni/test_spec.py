from __future__ import annotations

import json
from typing import Any

import pytest

from preflight.cni.spec import (
    LoadError,
    delegate,
    effective_version,
    load,
    valid_interface,
    valid_name,
    version_key,
)

PLUGIN = {"type": "bridge", "ipam": {"type": "host-local"}}


def conflist(**changes: Any) -> str:
    body = {"cniVersion": "1.0.0", "name": "pods", "plugins": [PLUGIN], **changes}
    return json.dumps({key: value for key, value in body.items() if value is not ...})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("{", "is not JSON: line 1"),
        ('{"name": "a", // comment\n"plugins": []}', "is not JSON"),
        ("\ufeff{}", "is not JSON"),
        ('{"name": NaN}', "is not JSON: NaN"),
        ("[" * 200_000, "is not JSON"),
        ("[]", "holds no JSON object"),
        ("null", "holds no JSON object"),
        (conflist(name=...), "has no name"),
        (conflist(name=3), "name is not text"),
        (conflist(cniVersion=1.0), "cniVersion is not text"),
        (conflist(plugins=...), "has no plugins"),
        ('{"name": "a", "type": "bridge"}', "it is a single plugin"),
        (conflist(plugins={}), "plugins is not a list"),
        (conflist(plugins=[]), "has an empty list of plugins"),
        (conflist(plugins=["bridge"]), "plugins[0] is not an object"),
        (conflist(plugins=[PLUGIN, {"name": "x"}]), "has no plugins[1].type"),
        (conflist(plugins=[{"type": 5}]), "plugins[0].type is not text"),
        (conflist(plugins=[{**PLUGIN, "capabilities": ["x"]}]), "capabilities is not an object"),
        (
            conflist(plugins=[{**PLUGIN, "capabilities": {"portMappings": "true"}}]),
            "plugins[0].capabilities.portMappings is neither true nor false",
        ),
        (conflist(plugins=[{**PLUGIN, "ipam": "host-local"}]), "plugins[0].ipam is not an object"),
        (conflist(plugins=[{**PLUGIN, "ipam": {"type": 1}}]), "plugins[0].ipam.type is not text"),
    ],
)
def test_lists_that_runtimes_refuse(text: str, problem: str) -> None:
    with pytest.raises(LoadError) as caught:
        load("/etc/cni/net.d/10-a.conflist", text)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("extension", ["conf", "json"])
def test_a_list_in_a_file_for_single_plugins_is_refused(extension: str) -> None:
    with pytest.raises(LoadError, match=r"ends in \.conflist"):
        load(f"/etc/cni/net.d/10-a.{extension}", conflist())


def test_a_single_plugin_is_a_list_of_one_and_needs_no_name_to_load() -> None:
    network = load("/x/10-a.conf", '{"cniVersion": "0.4.0", "type": "bridge", "ipam": null}')
    assert network.name == ""
    assert network.chain == ("bridge",)
    assert not network.is_list


def test_types_are_every_program_of_the_chain_once() -> None:
    text = conflist(
        plugins=[
            {"type": "flannel", "delegate": {"isDefaultGateway": True}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
            {"type": "portmap"},
        ]
    )
    network = load("/x/10-flannel.conflist", text)
    assert network.types == ("flannel", "bridge", "host-local", "portmap")
    assert network.chain == ("flannel", "portmap", "portmap")
    assert delegate({"type": "bridge", "delegate": {}}) == {}


def test_ipams_of_plugins_and_delegates() -> None:
    text = conflist(
        plugins=[{"type": "flannel", "delegate": {"ipam": {"type": "host-local", "dataDir": "/d"}}}]
    )
    assert [ipam.get("dataDir") for ipam in load("/x/a.conflist", text).ipams()] == ["/d"]


@pytest.mark.parametrize(
    ("changes", "newest", "version"),
    [
        ({}, "1.1.0", "1.0.0"),
        ({"cniVersion": "1.1.0"}, "1.1.0", "1.1.0"),
        ({"cniVersions": ["0.4.0", "1.1.0", "9.0.0"]}, "1.1.0", "1.1.0"),
        ({"cniVersions": ["0.4.0", "1.1.0"]}, "1.0.0", "1.0.0"),
        ({"cniVersion": ..., "cniVersions": ["0.4.0"]}, "1.1.0", "0.4.0"),
        ({"cniVersion": ...}, "1.1.0", ""),
        ({"cniVersion": "9.0.0"}, "1.1.0", "9.0.0"),
    ],
)
def test_the_version_that_is_spoken(changes: dict[str, Any], newest: str, version: str) -> None:
    assert effective_version(load("/x/a.conflist", conflist(**changes)), newest) == version


def test_version_key_compares_by_number() -> None:
    assert version_key("0.10.0") > version_key("0.4.0")
    assert version_key("one") == ()


@pytest.mark.parametrize(
    ("name", "valid"),
    [("pods", True), ("k8s-pod.net_1", True), ("-a", False), ("", False), ("a b", False)],
)
def test_network_names(name: str, valid: bool) -> None:
    assert valid_name(name) is valid


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("cni0", True),
        ("a" * 15, True),
        ("a" * 16, False),
        ("ü" * 8, False),
        ("..", False),
        ("a/b", False),
        ("a:1", False),
        ("a b", False),
        ("", False),
    ],
)
def test_interface_names(name: str, valid: bool) -> None:
    assert valid_interface(name) is valid
