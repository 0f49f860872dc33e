"""Inventories as people have them: names with capitals, names of DNS, Kubespray's groups and
variables, a user with sudo, truths as texts; and what must stop a play, with its words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ansible.lab import Host, Lab
from tests.ansible.test_nodes import EXCUSED, KERNEL, SWAP
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
SUDO = """
cp /usr/bin/sudo /run/bin/sudo
chmod u+s /run/bin/sudo
useradd --create-home --home-dir /run/admin --shell /bin/bash admin
usermod --password '*' admin
chmod 644 /run/authorized_keys
cat > /etc/sudoers <<'EOF'
Defaults secure_path="/run/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
admin ALL=(ALL) NOPASSWD: ALL
EOF
chmod 440 /etc/sudoers
"""
HOSTS = (
    Host("M1", 11, SUDO + SWAP + KERNEL, own_name="m1", reached="m1.example.net"),
    Host("E1", 31, SUDO + KERNEL, own_name="e1"),
)
# The nodes' sudo is nowhere on the controller: there it must not be asked for.
KUBESPRAY = """
[kube_control_plane]
M1
[etcd]
E1 etcd_member_name=etcd1
[kube_node]
M1
[k8s_cluster:children]
kube_control_plane
kube_node
[all:vars]
ansible_become=true
ansible_become_exe=/run/bin/sudo
[k8s_cluster:vars]
kube_version=v1.37.0
kube_pods_subnet=10.233.64.0/18
kube_service_addresses=10.233.0.0/18
kube_network_plugin=flannel
nodeprep_serial=2
"""
# etcd does not run yet, and the runtime here never looks again where plugins are.
IGNORED = [*EXCUSED, "external-etcd", "cri-cni-paths"]


class Sudo(Lab):
    """A user that is not root, and a name server's work done by a file."""

    def __enter__(self) -> Sudo:
        super().__enter__()
        names = "".join(f"{host.address} {host.reached}\\n" for host in self.hosts if host.reached)
        self.router.shell(f"printf '{names}' > /run/hosts; mount --bind /run/hosts /etc/hosts")
        return self

    def _variables(self) -> dict[str, Any]:
        # Whatever is given here would win over the inventory.
        found = super()._variables()
        del found["nodeprep_become"], found["nodeprep_kubernetes_version"]
        return {**found, "ansible_user": "admin", "nodeprep_ignore": IGNORED}

    def _environment(self, place: Path) -> dict[str, str]:
        # The controller's user is root here, and sudo to oneself would not be tried.
        return {**super()._environment(place), "ANSIBLE_BECOME_ALLOW_SAME_USER": "true"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    require_kernel("sshd", "nft", "sudo")
    with Sudo(tmp_path_factory.mktemp("lab"), HOSTS) as made:
        yield made


def test_kubesprays_inventory_with_a_user_who_has_sudo(lab: Lab) -> None:
    # As text, which -e and INI make of all.
    texts = ("-e", "nodeprep_firewall=false nodeprep_confirm_within=30", "--limit", "M1")
    off = lab.play("nodes", KUBESPRAY, *texts)
    assert off.changed()["M1"]
    assert "table inet nodeprep" not in lab.servers["M1"].dump()["nft"]

    lab.play("nodes", KUBESPRAY)
    for name, server in lab.servers.items():
        assert "table inet nodeprep" in server.dump()["nft"]
        written = yaml.safe_load(server.read("/etc/nodeprep/nodeprep.yaml"))
        assert [node["name"] for node in written["nodes"]] == ["m1", "e1"]
        assert written["nodeName"] == name.lower()
        assert written["networking"]["podSubnet"] == "10.233.64.0/18"
        assert written["cni"] == {"name": "flannel"}

    again = lab.play("nodes", KUBESPRAY)
    assert again.changed() == {"M1": 0, "E1": 0}


def test_a_fleet_with_capitals_is_probed(lab: Lab) -> None:
    place = lab.place / "fleet"
    variables: dict[str, Any] = {
        "nodeprep_fleet_dir": str(place),
        "nodeprep_fleet_listen_seconds": "120",
    }
    lab.play("fleet", KUBESPRAY, **variables)
    for name, peer in (("M1", "e1"), ("E1", "m1")):
        report = (place / "gathered" / f"{name}.probe.json").read_text()
        assert f'"{peer}"' in report


@pytest.mark.parametrize(
    ("variables", "task", "said"),
    [
        (
            {"nodeprep_executable": "/usr/local/lib"},
            "Stop where it did not go there",
            "/usr/local/lib is a directory",
        ),
        (
            {"nodeprep_file": "", "nodeprep_node_name": "node_1"},
            "Stop where there is none",
            "nodeName: 'node_1' is not a host name",
        ),
    ],
)
def test_what_a_node_cannot_do_is_said_at_once(
    lab: Lab, variables: dict[str, str], task: str, said: str
) -> None:
    inventory = (
        "[kube_node]\nE1\n[all:vars]\nansible_become=true\nansible_become_exe=/run/bin/sudo\n"
    )
    (failure,) = lab.play("nodes", inventory, code=2, **variables).failures()
    assert failure[1].endswith(task)
    assert said in failure[2]
