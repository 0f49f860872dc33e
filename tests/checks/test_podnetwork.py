"""Which configuration the runtime takes, and what is wrong in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Unknown
from preflight.facts.model.cni import CniFile
from preflight.finding import Finding, Status
from preflight.settings import KubeletSettings
from preflight.target import Phase
from rules.cluster import Role
from rules.cnis import PROFILES
from tests.checks.pods import bridge_conf, changed_plugin, conflist, facts, wanted
from tests.nodes import cni, judge, network, runtime
from tests.nodes.cni import conf, configured

PODMAN = conflist(
    {
        "type": "bridge",
        "bridge": "cni-podman0",
        "isGateway": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]},
    },
    name="podman",
)
FLANNEL = conflist(
    {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
    {"type": "portmap", "capabilities": {"portMappings": True}},
    name="cbr0",
    cniVersion="0.3.1",
)


def winner(*files: CniFile, node: Any = None, **target: Any) -> Finding:
    value = facts(files=files, node=node)
    found: list[Finding] = judge("cni-conf-winner", value, wanted(**target))
    assert len(found) == 1
    return found[0]


def crio(**changes: Any) -> Any:
    """The healthy node with CRI-O in containerd's place."""
    node = facts()
    server = replace(runtime.server(), socket="/run/crio/crio.sock", name="cri-o", version="1.34.0")
    config = replace(runtime.config(), runtime="crio", socket=server.socket, **changes)
    return replace(
        node, runtime=replace(runtime.healthy(), cri_servers=(server,), runtime_configs=(config,))
    )


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    "id",
    [
        "cni-conf-winner",
        "cni-conf-valid",
        "cni-plugins-present",
        "cni-bridge-sane",
        "cni-leases-live",
        "cni-product-ready",
    ],
)
def test_the_healthy_node_passes(id: str, role: Role) -> None:
    for found in judge(id, facts(), wanted(role=role)):
        assert found.status in (Status.PASS, Status.SKIP), found


def test_no_file_is_normal_before_kubeadm_and_a_failure_after() -> None:
    found = winner()
    assert found.status is Status.PASS
    assert "no CNI configuration in /etc/cni/net.d yet" in found.message
    found = winner(phase=Phase.AFTER)
    assert found.status is Status.FAIL
    assert "10-nodeprep.conflist" in found.remedy
    found = winner(phase=Phase.AFTER, name="flannel")
    assert "kubectl" in found.remedy


def test_the_wanted_file_wins() -> None:
    found = winner(conf(cni.CONFLIST), conf(PODMAN, "87-podman.conflist"))
    assert found.status is Status.PASS
    assert found.observed == "/etc/cni/net.d/10-nodeprep.conflist"
    assert "87-podman.conflist comes after it" in found.message


@pytest.mark.parametrize("name", ["10-containerd-net.conflist", "k8s.conflist"])
def test_any_bridge_may_be_the_wanted_one(name: str) -> None:
    assert winner(conf(cni.CONFLIST, name)).status is Status.PASS


@pytest.mark.parametrize("name", ["docker-overlay", "win-bridge"])
def test_networks_without_a_configuration_on_linux(name: str) -> None:
    assert winner(conf(cni.CONFLIST), name=name).status is Status.SKIP


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_bare_node_is_ready_for_every_network(name: str) -> None:
    for id in ("cni-conf-winner", "cni-conf-valid", "cni-plugins-present", "cni-bridge-sane"):
        for found in judge(id, facts(), wanted(name)):
            assert found.status in (Status.PASS, Status.SKIP), found


def test_podman_before_the_wanted_file() -> None:
    found = winner(conf(cni.CONFLIST), conf(PODMAN, "05-podman.conflist"))
    assert found.status is Status.FAIL
    assert "(podman)" in found.observed
    assert found.remedy == (
        "mv /etc/cni/net.d/05-podman.conflist /etc/cni/net.d/05-podman.conflist.disabled"
    )


def test_podman_after_the_wanted_name_only_wins_until_it_comes() -> None:
    found = winner(conf(PODMAN, "87-podman-bridge.conflist"))
    assert found.status is Status.WARN
    found = winner(conf(PODMAN, "87-podman-bridge.conflist"), phase=Phase.AFTER)
    assert found.status is Status.FAIL


def test_a_bridge_where_flannel_is_wanted() -> None:
    bridge, flannel = (
        conf(cni.CONFLIST, "10-containerd-net.conflist"),
        conf(FLANNEL, "10-flannel.conflist"),
    )
    assert winner(flannel, name="flannel").status is Status.PASS
    found = winner(bridge, flannel, name="flannel")
    assert found.status is Status.FAIL
    assert "the wanted network is flannel" in found.message


def test_a_broken_first_file_is_named_with_what_it_hides() -> None:
    found = winner(conf("{", "05-old.conflist"), conf(cni.CONFLIST))
    assert found.status is Status.FAIL
    assert found.observed == "/etc/cni/net.d/05-old.conflist"
    assert "although 10-nodeprep.conflist follows" in found.message
    assert found.remedy.startswith("mv /etc/cni/net.d/05-old.conflist ")


def test_crio_passes_over_a_broken_file() -> None:
    files = (conf("{", "05-old.conflist"), conf(cni.CONFLIST))
    found = winner(*files, node=crio())
    assert found.status is Status.WARN
    assert "passes over /etc/cni/net.d/05-old.conflist" in found.message
    only = winner(files[0], node=crio())
    assert only.status is Status.FAIL


def test_crio_set_to_a_network_that_no_file_has() -> None:
    found = winner(conf(cni.CONFLIST), node=crio(default_network="crio"), phase=Phase.AFTER)
    assert found.status is Status.FAIL
    assert "has the network crio" in found.message
    assert winner(conf(cni.CONFLIST), node=crio(default_network="pods")).status is Status.PASS


def test_a_file_that_may_not_be_read_is_unknown() -> None:
    file = CniFile("/etc/cni/net.d/05-a.conflist", Unknown("denied", "05-a may not be read"))
    found = winner(file, conf(cni.CONFLIST))
    assert found.status is Status.UNKNOWN
    assert "may not be read" in found.message
    (found,) = judge("cni-conf-winner", facts(files=Unknown("denied", "net.d")), wanted())
    assert found.status is Status.UNKNOWN


def test_a_name_with_shell_words_is_quoted_in_the_remedy() -> None:
    found = winner(conf("{", "0 $(reboot).conflist"))
    assert found.remedy == (
        "mv '/etc/cni/net.d/0 $(reboot).conflist' '/etc/cni/net.d/0 $(reboot).conflist.broken'"
    )


def test_the_runtime_that_is_not_there_is_taken_for_containerd() -> None:
    node = facts(files=(conf("{", "05-old.conflist"), conf(cni.CONFLIST)))
    node = replace(node, runtime=Unknown("failed", "x"))
    (found,) = judge("cni-conf-winner", node, wanted())
    assert found.status is Status.FAIL
    assert "the runtime looks at it first" in found.message


# cni-conf-valid


def valid(text: str, *, node: Any = None, **target: Any) -> list[Finding]:
    value = facts(configured(text), node=node)
    return judge("cni-conf-valid", value, wanted(**target))


def test_a_sound_file() -> None:
    (found,) = valid(cni.CONFLIST)
    assert found.status is Status.PASS
    assert "bridge and portmap, CNI 1.0.0" in found.message


def test_no_file_is_skipped() -> None:
    (found,) = judge("cni-conf-valid", facts(), wanted())
    assert found.status is Status.SKIP


@pytest.mark.parametrize(
    ("changes", "status", "place"),
    [
        ({"isGatway": True}, Status.FAIL, "plugins[0].isGatway"),
        ({"hairpinMode": True, "promiscMode": True}, Status.FAIL, "plugins[0].promiscMode"),
        ({"mtu": 9000}, Status.FAIL, "plugins[0].mtu"),
        ({"args": {}}, Status.WARN, "plugins[0].args"),
        (
            {"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.1.7/24"}]]}},
            Status.FAIL,
            "plugins[0].ipam.ranges[0][0].subnet",
        ),
        (
            {"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}]]}},
            Status.FAIL,
            "plugins[0].ipam.ranges[0][0].subnet",
        ),
        (
            {
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": "10.244.1.0/24"}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                }
            },
            Status.FAIL,
            "plugins[0].ipam.routes[0]",
        ),
    ],
)
def test_problems_name_file_and_place(changes: dict[str, Any], status: Status, place: str) -> None:
    (found,) = valid(bridge_conf(**changes))
    assert found.status is status
    assert found.subject == f"10-nodeprep.conflist:{place}"
    assert found.remedy.startswith(f"in /etc/cni/net.d/10-nodeprep.conflist at {place}: ")


def test_containerd_1_reads_no_cni_1_1() -> None:
    text = conflist(cniVersion="1.1.0")
    assert [found.status for found in valid(text)] == [Status.PASS]
    node = facts()
    server = replace(runtime.server(), version="1.7.27")
    node = replace(node, runtime=replace(runtime.healthy(), cri_servers=(server,)))
    (found,) = valid(text, node=node)
    assert found.status is Status.FAIL
    assert "containerd reads versions up to 1.0.0" in found.message


def test_a_plugin_of_the_chain_that_does_not_speak_the_version() -> None:
    value = changed_plugin(
        configured(conflist(cniVersion="1.1.0")), "host-local", versions=("0.4.0", "1.0.0")
    )
    (found,) = judge("cni-conf-valid", facts(value), wanted())
    assert found.status is Status.FAIL
    assert "host-local does not speak it" in found.message


@pytest.mark.parametrize("reason", ["denied", "timeout"])
def test_versions_that_could_not_be_asked_are_unknown(reason: str) -> None:
    value = changed_plugin(configured(), "bridge", versions=Unknown(reason, "not run"))
    (found,) = judge("cni-conf-valid", facts(value), wanted())
    assert (found.status, found.subject) == (Status.UNKNOWN, "bridge")


def test_another_networks_file_is_not_judged() -> None:
    (found,) = valid(PODMAN)
    assert found.status is Status.SKIP


def test_a_smaller_uplink_and_the_limit_of_the_kubelet() -> None:
    node = facts()
    seen = network.healthy()
    assert not isinstance(seen.interfaces, Unknown)
    slim = tuple(
        replace(item, mtu=1450) if item.name == "eth0" else item for item in seen.interfaces
    )
    node = replace(node, network=replace(seen, interfaces=slim))
    (found,) = valid(cni.CONFLIST, node=node)
    assert (found.status, found.subject) == (Status.WARN, "10-nodeprep.conflist:plugins[0].mtu")
    (found,) = valid(cni.CONFLIST, kubelet=KubeletSettings(max_pods=500))
    assert found.status is Status.WARN
    assert "253 pods" in found.message
