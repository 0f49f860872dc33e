"""The plugins' own words, as they print them, and what is made of them."""

from __future__ import annotations

import json

import pytest

from preflight.cni.causes import Scene, by_steps, explain, unique, untold
from preflight.cni.failure import PluginFailure
from preflight.cni.proof import Cause, Proof, Step
from preflight.cni.sandbox import RuntimeFailure
from preflight.cni.spec import load
from rules.cluster import IPAddress
from rules.errors import CommandError
from tests.cni.node import bridge

NETWORK = load("/etc/cni/net.d/10-pods.conflist", json.dumps(bridge(bridge="br7")))


@pytest.mark.parametrize(
    ("words", "name", "remedy"),
    [
        (
            'failed to set bridge addr: "br7" already has an IP address different from 10.1.0.1/24',
            "stale-bridge-address",
            "ip link delete br7",
        ),
        (
            "failed to set bridge addr: could not set bridge's mac: invalid argument",
            "bridge-mac",
            "ip link delete br7",
        ),
        (
            'failed to create bridge "br7": "br7" already exists but is not a bridge',
            "not-a-bridge",
            "ip link delete br7",
        ),
        (
            "failed to allocate for range 0: no IP addresses available in range set: 10.1.0.1-10.1"
            ".0.6",
            "addresses-used-up",
            "nodeprep cni gc",
        ),
        (
            "running [/usr/sbin/iptables -t nat -D POSTROUTING ...]: exit status 2: iptables v1.8.9"
            " (nf_tables): Chain 'CNI-0123456789abcdef01234567' does not exist",
            "iptables-nft-delete",
            "--masquerade node",
        ),
        (
            "failed to add route '{0.0.0.0/0 10.1.0.1}': file exists",
            "two-default-routes",
            "isDefaultGateway",
        ),
        (
            'failed to find plugin "host-local" in path [/opt/cni/bin]',
            "plugin-missing",
            "nodeprep cni install",
        ),
        (
            "container veth name provided (eth0) already exists",
            "attached-already",
            "nodeprep cni del",
        ),
        (
            'container veth name ("eth0") peer provided ("veth10c3aab9") already exists',
            "attached-already",
            "nodeprep cni del",
        ),
        ("failed to locate iptables: exec: not found", "iptables-missing", "install iptables"),
        (
            'failed to open netns "/run/netns/x": no such file or directory',
            "namespace-gone",
            "nodeprep cni gc",
        ),
        ("dial unix /run/cni/dhcp.sock: connect: no such file", "dhcp-daemon", "cni-dhcp.socket"),
        ("failed to create ipvlan: operation not supported", "kernel-option", "CONFIG_BRIDGE"),
        ("could not check ipv6 dnat: exit status 1", "portmap-check", "1.3"),
        ("open /var/lib/cni/x: no space left on device", "disk-full", "df -h"),
        ("open /var/lib/cni/x: read-only file system", "read-only", "remount"),
        ("fork/exec /opt/cni/bin/bridge: exec format error", "wrong-architecture", "--archive"),
        ("table nat is incompatible, use 'nft' tool", "iptables-mixed", "nft list ruleset"),
    ],
)
def test_words_of_the_plugins(words: str, name: str, remedy: str) -> None:
    found = explain(PluginFailure("bridge", "ADD", 999, words), NETWORK)
    assert name in [cause.name for cause in found]
    assert remedy in next(cause.remedy for cause in found if cause.name == name)


def test_a_runtime_hands_the_words_on() -> None:
    said = (
        'RunPodSandbox: failed to setup network for sandbox "x": plugin type="bridge" failed (add):'
        ' failed to set bridge addr: "br7" already has an IP address different from 10.1.0.1/24'
    )
    assert [c.name for c in explain(RuntimeFailure(said), NETWORK)] == ["stale-bridge-address"]
    image = 'RunPodSandbox: failed to get sandbox image "registry.k8s.io/pause:3.10": no route'
    (cause,) = explain(RuntimeFailure(image), NETWORK)
    assert cause.name == "sandbox-image"
    assert "registry.k8s.io/pause:3.10" in cause.message


def test_a_version_by_its_code_and_a_program_by_its_reason() -> None:
    (cause,) = explain(PluginFailure("bridge", "ADD", 1, "whatever"), NETWORK)
    assert cause.name == "version"
    (cause,) = explain(CommandError("absent", "x: not in /opt/cni/bin"), NETWORK)
    assert cause.name == "program-missing"


def test_unknown_words_are_no_cause() -> None:
    assert explain(PluginFailure("bridge", "ADD", 999, "the moon is full"), NETWORK) == []


def steps(**ok: bool | None) -> list[Step]:
    return [
        Step(name.replace("_", "-"), value, "10.244.1.3: no answer", 1.0)
        for name, value in ok.items()
    ]


def names(found: list[Cause]) -> list[str]:
    return [cause.name for cause in found]


def test_patterns_of_steps() -> None:
    lost = steps(pod_to_pod=True, pod_to_gateway=False, host_to_pod=False)
    assert names(by_steps(lost, NETWORK, Scene(pod_route="up0"))) == ["route-diverts"]
    assert by_steps(lost, NETWORK, Scene(pod_route="br7")) == []
    out = steps(pod_to_pod=True, pod_to_outside=False)
    assert names(by_steps(out, NETWORK, Scene(masquerades=False))) == ["masquerade-missing"]
    assert by_steps(out, NETWORK, Scene(masquerades=None)) == []
    large = steps(pod_to_pod=True, full_size_there=False)
    assert names(by_steps(large, NETWORK, Scene())) == ["mtu"]
    everything = steps(pod_to_pod=False, full_size_there=False)
    assert by_steps(everything, NETWORK, Scene()) == []


def test_what_nothing_explains_says_where_to_look() -> None:
    address: IPAddress = __import__("ipaddress").ip_address("10.244.1.2")
    (cause,) = untold(steps(pod_to_pod=False), [address])
    assert "--from 10.244.1.2 --to 10.244.1.3" in cause.remedy
    assert untold(steps(check=False), [address]) == ()


def test_each_cause_once_in_its_order() -> None:
    one, two, again = Cause("a", "1", ""), Cause("b", "2", ""), Cause("a", "3", "")
    assert unique([one, two, again]) == (one, two)


@pytest.mark.parametrize(
    ("ok", "proven", "code"),
    [((True, True), True, 0), ((True, None), False, 3), ((False, None), False, 1), ((), False, 3)],
)
def test_unknown_is_never_proven(ok: tuple[bool | None, ...], proven: bool, code: int) -> None:
    taken = tuple(Step("x", one, "", 0.0) for one in ok)
    proof = Proof("plugins", "pods", "/x", False, taken, (), 1.0)
    assert (proof.proven, proof.exit_code) == (proven, code)
