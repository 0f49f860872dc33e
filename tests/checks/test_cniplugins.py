from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Unknown, known
from preflight.finding import Finding, Status
from preflight.target import Phase
from rules.cluster import Role
from tests.checks.pods import changed_plugin, conflist, facts, wanted
from tests.nodes import cni, judge, runtime, system
from tests.nodes.cni import conf, configured, plugin


def found(value: Any = None, *, node: Any = None, **target: Any) -> list[Finding]:
    return judge("cni-plugins-present", facts(value, node=node), wanted(**target))


def without(*names: str) -> Any:
    value = cni.healthy()
    for name in names:
        value = changed_plugin(value, name, path=None)
    return value


def crio() -> Any:
    node = facts()
    server = replace(runtime.server(), socket="/run/crio/crio.sock", name="cri-o")
    return replace(node, runtime=replace(runtime.healthy(), cri_servers=(server,)))


def test_what_the_bridge_needs_before_there_is_a_file() -> None:
    (one,) = found()
    assert one.status is Status.PASS
    assert one.message == "bridge, host-local, portmap, loopback in /opt/cni/bin"


def test_the_whole_chain_and_loopback_once_there_is_a_file() -> None:
    text = conflist({"type": "ptp", "ipam": {"type": "dhcp"}}, {"type": "tuning"})
    (one,) = found(configured(text, "10-a.conflist"), name="ptp")
    assert one.status is Status.PASS
    assert one.message == "ptp, dhcp, tuning, loopback in /opt/cni/bin"


def test_plugins_that_are_nowhere_are_one_finding() -> None:
    (one,) = found(without("bridge", "portmap"))
    assert (one.status, one.subject) == (Status.FAIL, "bridge,portmap")
    assert one.remedy == "apt-get install -y kubernetes-cni"
    (one,) = found(replace(cni.healthy(), plugins=()))
    assert one.message.startswith("bridge, host-local, portmap and loopback are not in")


def test_only_containerd_needs_loopback() -> None:
    (one,) = found(without("loopback"))
    assert (one.status, one.subject) == (Status.FAIL, "loopback")
    (one,) = found(without("loopback"), node=crio())
    assert one.status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({}, "ln -sf /usr/lib/cni/bridge /opt/cni/bin/bridge"),
        ({"damage": "the file is empty"}, "rm /opt/cni/bin/bridge && apt-get install"),
        ({"executable": False}, "rm /opt/cni/bin/bridge && apt-get install"),
        ({"machine": "aarch64"}, "rm /opt/cni/bin/bridge && apt-get install"),
        ({"machine": Unknown("denied", "no")}, "rm /opt/cni/bin/bridge && apt-get install"),
        ({"name": "ptp"}, "rm /opt/cni/bin/bridge && apt-get install"),
    ],
)
def test_a_sound_plugin_of_another_directory_takes_the_place_of_a_broken_one(
    changes: dict[str, Any], remedy: str
) -> None:
    broken = changed_plugin(cni.healthy(), "bridge", damage="the file is empty")
    other = replace(plugin("bridge"), path="/usr/lib/cni/bridge", **changes)
    (one,) = found(replace(broken, plugins=(*known(broken.plugins), other)))
    assert one.status is Status.FAIL
    assert one.remedy.startswith(remedy)


@pytest.mark.parametrize("name", ["calico", "cilium", "antrea", "kube-router"])
def test_products_bring_their_own(name: str) -> None:
    (one,) = found(replace(cni.healthy(), plugins=()), name=name)
    assert one.status is Status.PASS
    assert "no plugin is needed beforehand" in one.message


def test_flannel_brings_only_itself() -> None:
    (one,) = found(replace(cni.healthy(), plugins=()), name="flannel")
    assert (one.status, one.subject) == (Status.FAIL, "bridge,host-local,portmap,loopback")


def test_plugins_of_a_product_are_awaited_before_and_wanted_after() -> None:
    text = conflist({"type": "calico", "ipam": {"type": "calico-ipam"}})
    value = configured(text, "10-calico.conflist")
    (one,) = found(value, name="calico")
    assert one.status is Status.PASS
    (one,) = found(value, name="calico", phase=Phase.AFTER)
    assert (one.status, one.subject) == (Status.FAIL, "calico,calico-ipam")
    assert "kubectl" in one.remedy


@pytest.mark.parametrize(
    ("changes", "status", "words", "remedy"),
    [
        (
            {"damage": "the file is cut off: 10 of at least 99 bytes", "size_bytes": 10},
            Status.FAIL,
            "/opt/cni/bin/bridge cannot run: the file is cut off",
            "rm /opt/cni/bin/bridge && apt-get install -y --reinstall kubernetes-cni",
        ),
        (
            {"executable": False, "mode": 0o644},
            Status.FAIL,
            "is not executable (mode 0644)",
            "chmod 0755 /opt/cni/bin/bridge",
        ),
        (
            {"machine": "aarch64"},
            Status.FAIL,
            "is built for aarch64, and this machine is x86_64",
            "rm /opt/cni/bin/bridge && apt-get install -y --reinstall kubernetes-cni",
        ),
        ({"machine": "i686"}, Status.UNKNOWN, "may or may not run it", ""),
        ({"machine": "i686", "versions": ("1.0.0",)}, Status.PASS, "bridge", ""),
        ({"machine": "aarch64", "versions": ("1.0.0",)}, Status.PASS, "bridge", ""),
        ({"machine": "script"}, Status.PASS, "bridge", ""),
        ({"machine": Unknown("denied", "may not be read")}, Status.UNKNOWN, "may not be", ""),
        (
            {"mode": 0o777},
            Status.WARN,
            "can be written by everybody",
            "chmod 0755 /opt/cni/bin/bridge",
        ),
    ],
)
def test_defects_of_one_plugin(
    changes: dict[str, Any], status: Status, words: str, remedy: str
) -> None:
    one = found(changed_plugin(cni.healthy(), "bridge", **changes))[0]
    assert one.status is status
    assert words in one.message
    assert one.remedy == remedy
    assert one.subject == ("" if status is Status.PASS else "bridge")


@pytest.mark.parametrize(
    ("architecture", "machine", "status"),
    [
        ("aarch64", "aarch64", Status.PASS),
        ("armv7l", "arm", Status.PASS),
        ("aarch64", "arm", Status.UNKNOWN),
        ("i386", "i686", Status.PASS),
        ("i686", "x86_64", Status.FAIL),
        ("mips64", "mips64el", Status.PASS),
        ("ppc64le", "ppc64le", Status.PASS),
        ("riscv64", "x86_64", Status.FAIL),
    ],
)
def test_machines(architecture: str, machine: str, status: Status) -> None:
    value = cni.healthy()
    for name in ("bridge", "host-local", "portmap", "loopback"):
        value = changed_plugin(value, name, machine=machine)
    node = replace(facts(), system=replace(system.healthy(), architecture=architecture))
    assert {one.status for one in found(value, node=node)} == {status}


def test_an_unknown_machine_hides_no_other_fault() -> None:
    node = replace(facts(), system=Unknown("failed", "no uname"))
    value = changed_plugin(cni.healthy(), "portmap", executable=False)
    by_subject = {one.subject: one.status for one in found(value, node=node)}
    assert by_subject["portmap"] is Status.FAIL
    assert by_subject["bridge"] is Status.UNKNOWN


def test_a_plugin_where_the_runtime_does_not_look() -> None:
    value = without("portmap")
    value = replace(value, plugins=(*value.plugins, plugin("portmap", "/usr/lib/cni")))
    (one,) = found(value)
    assert (one.status, one.subject) == (Status.FAIL, "portmap")
    assert one.remedy == "ln -s /usr/lib/cni/portmap /opt/cni/bin/portmap"


def test_a_runtime_that_looks_in_the_wrong_place_is_another_checks_finding() -> None:
    plugins = tuple(plugin(name, "/usr/lib/cni") for name in cni.NAMES)
    (one,) = found(replace(cni.healthy(), plugins=plugins))
    assert one.status is Status.PASS
    assert one.message.endswith("in /usr/lib/cni")


def test_plugins_of_the_distribution_where_the_runtime_looks_there() -> None:
    node = facts()
    config = replace(runtime.config(), plugin_dirs=("/usr/lib/cni",))
    server = replace(runtime.server(), plugin_dirs=("/usr/lib/cni",))
    node = replace(
        node, runtime=replace(runtime.healthy(), runtime_configs=(config,), cri_servers=(server,))
    )
    (one,) = found(replace(cni.healthy(), plugins=()), node=node)
    assert one.remedy == "apt-get install -y containernetworking-plugins"
    node = replace(node, system=replace(system.healthy(), os_id="fedora"))
    (one,) = found(replace(cni.healthy(), plugins=()), node=node)
    assert one.remedy == "dnf install -y containernetworking-plugins"


def test_directories_that_may_not_be_read_are_unknown() -> None:
    (one,) = found(replace(cni.healthy(), plugins=Unknown("denied", "may not be read")))
    assert one.status is Status.UNKNOWN


def test_a_broken_file_does_not_hide_the_plugins() -> None:
    value = replace(without("bridge"), files=(conf("{"),))
    (one,) = found(value)
    assert (one.status, one.subject) == (Status.FAIL, "bridge")


def test_an_external_etcd_member_runs_no_pods() -> None:
    node = facts(plugins=())
    node = replace(node, runtime=replace(runtime.healthy(), kubelet=None))
    assert judge("cni-plugins-present", node, wanted(role=Role.ETCD)) == []


@pytest.mark.parametrize(
    ("distribution", "remedy"),
    [
        ("debian", "rm /opt/cni/bin/bridge && apt-get install -y --reinstall kubernetes-cni"),
        (
            "alpine",
            "remove /opt/cni/bin/bridge and install the reference CNI plugins "
            "with the means of this distribution",
        ),
    ],
)
def test_the_remedy_is_a_command_or_an_instruction_and_no_mixture(
    distribution: str, remedy: str
) -> None:
    broken = changed_plugin(cni.healthy(), "bridge", damage="it is cut off")
    node = replace(facts(broken), system=replace(system.healthy(), os_id=distribution))
    (one,) = judge("cni-plugins-present", node, wanted())
    assert one.remedy == remedy
