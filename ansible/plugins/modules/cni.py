#!/usr/bin/python
# Copyright: the nodeprep authors
# Apache-2.0 (see LICENSE) or, as you like, the
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cni
short_description: Lay down the pod network of a node by the reference CNI plugins
version_added: 0.1.0
description:
  - Runs C(nodeprep cni install) or C(remove) on the machine. The configuration is published last,
    all of it or nothing, with a journal.
author:
  - The nodeprep authors (@nodeprep)
extends_documentation_fragment:
  - nodeprep.kubernetes.nodeprep
  - nodeprep.kubernetes.nodeprep.node
options:
  state:
    description:
      - V(absent) gives everything back what it was before, byte for byte.
    type: str
    choices: [present, absent]
    default: present
  plugin:
    description:
      - The main plugin. Left out, it is V(bridge).
    type: str
  ipam:
    description:
      - Who gives addresses to pods. Left out, it is V(host-local).
    type: str
    choices: [host-local, dhcp, static]
  pod_cidr:
    description:
      - The node's own ranges, one a family. Left out, they are those of the cluster file.
    type: list
    elements: str
    default: []
  node_index:
    description:
      - The node's own range is the one with this number, from 0, of the cluster's podSubnet.
    type: int
  chain:
    description:
      - Plugins after the main one. Left out, it is V(portmap).
    type: list
    elements: str
    default: []
  mtu:
    description:
      - Of pods, in bytes. Left out, it is that of the uplink.
    type: int
  network:
    description:
      - The network's name. Left out, it is V(pods).
    type: str
  bridge:
    description:
      - The bridge's name. Left out, it is V(cni0).
    type: str
  masquerade:
    description:
      - By one rule of the node, by the plugin, or not at all. Left out, it is V(node).
    type: str
    choices: [node, plugin, none]
  cni_version:
    description:
      - Of the configuration. Left out, it is the newest that runtime and plugins speak.
    type: str
  plugin_dir:
    description:
      - Where the plugins are. Left out, they are looked for.
    type: list
    elements: path
    default: []
  conf_dir:
    description:
      - Where the configuration goes. Left out, it is where the runtime reads.
    type: path
  archive:
    description:
      - A release archive of the plugins, by path on the node or by URL, which is checked.
    type: str
  sha256:
    description:
      - Of an archive that is no release of the CNI project.
    type: str
  package:
    description:
      - Install the distribution's package of the plugins first.
    type: bool
    default: false
  displace:
    description:
      - Put aside configurations that would win.
    type: bool
    default: false
  routes:
    description:
      - By whom the routes to the other nodes' pods come back at boot. Left out, it is V(unit).
    type: str
    choices: [unit, networkd, networkmanager, netplan]
  assume:
    description:
      - Changes that an earlier task of the same run would make, as that task returned them. In
        check mode what they set already is not counted again.
    type: list
    elements: dict
    default: []
  force:
    description:
      - With O(state=absent), even with pods on the bridge, or files that somebody changed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Lay down the pod network that the cluster file asks for
  nodeprep.kubernetes.cni:
    config: /etc/nodeprep/nodeprep.yaml

- name: Lay it down with a range and plugins of its own
  nodeprep.kubernetes.cni:
    pod_cidr: [10.244.3.0/24]
    archive: /srv/cni-plugins-linux-amd64-v1.8.0.tgz
    displace: true

- name: Give everything back
  nodeprep.kubernetes.cni:
    state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be. Computed before anything is done.
  returned: always
  type: list
  elements: dict
  sample:
    - object: file /etc/cni/net.d/10-nodeprep.conflist
      before: null
      after: '{"cniVersion": "1.0.0", "name": "pods", "plugins": []}'
conf:
  description: Where the configuration is.
  returned: when O(state=present)
  type: str
  sample: /etc/cni/net.d/10-nodeprep.conflist
plugin_dirs:
  description: Where the plugins are.
  returned: when O(state=present)
  type: list
  elements: str
  sample: [/opt/cni/bin]
cni_version:
  description: Of the configuration.
  returned: when O(state=present)
  type: str
  sample: 1.0.0
nodeprep_ms:
  description: How long nodeprep itself ran, in milliseconds.
  returned: always
  type: float
  sample: 512.0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodeprep.kubernetes.plugins.module_utils.nodeprep import (
    Nodeprep,
    common_arguments,
)


def main():
    """Installs or removes, and returns what changed."""
    module = AnsibleModule(
        argument_spec=dict(
            common_arguments(),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            plugin=dict(type="str"),
            ipam=dict(type="str", choices=["host-local", "dhcp", "static"]),
            pod_cidr=dict(type="list", elements="str", default=[]),
            node_index=dict(type="int"),
            chain=dict(type="list", elements="str", default=[]),
            mtu=dict(type="int"),
            network=dict(type="str"),
            bridge=dict(type="str"),
            masquerade=dict(type="str", choices=["node", "plugin", "none"]),
            cni_version=dict(type="str"),
            plugin_dir=dict(type="list", elements="path", default=[]),
            conf_dir=dict(type="path"),
            archive=dict(type="str"),
            sha256=dict(type="str", no_log=False),
            package=dict(type="bool", default=False),
            displace=dict(type="bool", default=False),
            routes=dict(type="str", choices=["unit", "networkd", "networkmanager", "netplan"]),
            assume=dict(type="list", elements="dict", default=[]),
            force=dict(type="bool", default=False),
        ),
        mutually_exclusive=[("pod_cidr", "node_index")],
        supports_check_mode=True,
    )
    nodeprep = Nodeprep(module)
    if module.params["state"] == "absent":
        document = nodeprep.changing(["cni", "remove", *nodeprep.flags("force")])
        module.exit_json(**nodeprep.result(document, "changes"))
    flags = nodeprep.flags_but("state", "network", "plugin_dir", "assume", "force")
    flags += [f"--plugin-dir={place}" for place in module.params["plugin_dir"]]
    if module.params["network"]:
        flags.append("--name={}".format(module.params["network"]))
    document = nodeprep.changing(["cni", "install", *flags])
    for warning in document["warnings"]:
        module.warn(warning)
    if module.check_mode:
        document["changes"] = left(document["changes"], module.params["assume"])
        document["changed"] = bool(document["changes"])
    module.exit_json(**nodeprep.result(document, "changes", "conf", "plugin_dirs", "cni_version"))


def left(changes, assumed):
    """The changes without those that are made by then: the same object to the same value."""
    made = [(name_of(each), value_of(each)) for each in assumed]
    return [each for each in changes if (name_of(each), value_of(each)) not in made]


def value_of(change):
    """What it is then; as a text for a person it may end with a newline."""
    return (change["after"] or "").rstrip("\n")


def name_of(change):
    """The object, with a sysctl's name written with dots, as either may be."""
    kind, blank, name = change["object"].partition(" ")
    return kind + blank + name.replace("/", ".") if kind == "sysctl" else change["object"]


if __name__ == "__main__":
    main()
