#!/usr/bin/python
# Copyright: the nodeprep authors
# Apache-2.0 (see LICENSE) or, as you like, the
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: firewall
short_description: Put the firewall rules of a Kubernetes role in force, with a rollback armed
version_added: 0.1.0
description:
  - Runs C(nodeprep firewall apply), C(confirm) or C(remove) on the machine.
  - After O(state=present) the rules are on trial for O(confirm_within) seconds. Unless they are
    confirmed by then from a new connection with O(state=confirmed), the old rules come back.
  - Rules that would cut the present SSH connection are refused.
author:
  - The nodeprep authors (@nodeprep)
extends_documentation_fragment:
  - nodeprep.kubernetes.nodeprep
  - nodeprep.kubernetes.nodeprep.node
options:
  state:
    description:
      - V(present) puts the rules of the role in force.
      - V(confirmed) ends the trial of what was applied. It must come by a connection of its own,
        so C(meta:reset_connection) goes before it.
      - V(absent) takes everything of nodeprep's away, and nothing else.
    type: str
    choices: [present, confirmed, absent]
    default: present
  role:
    description:
      - What the machine is to be. Required with O(state=present).
    type: str
    choices: [master, multi-master, worker, etcd]
  posture:
    description:
      - V(allow) opens what is needed, V(enforce) also denies the rest.
    type: str
    choices: [allow, enforce]
    default: allow
  backend:
    description:
      - Who writes the rules. V(auto) takes the owner of the host's packet filter.
    type: str
    choices: [auto, nftables, iptables-nft, iptables-legacy, firewalld, ufw]
    default: auto
  sources:
    description:
      - Source group to a list of addresses, beside those of the cluster file. Some groups are
        V(admins), V(node-port-clients), V(load-balancers) and V(monitoring).
    type: dict
    default: {}
  confirm_within:
    description:
      - How many seconds the trial lasts. With V(0) there is none, which is the default of
        O(state=absent); that of O(state=present) is V(60).
    type: int
  force:
    description:
      - Even if the rules would cut this connection, and for O(state=confirmed) even from the
        connection that applied them.
    type: bool
    default: false
  kubernetes_version:
    description:
      - Such as C(1.37). Left out, it is that of the cluster file, else of kubeadm on the node.
    type: str
  cni:
    description:
      - The pod network, such as C(flannel/vxlan). Left out, it is that of the cluster file.
    type: str
"""

EXAMPLES = r"""
- name: Put the rules of a worker in force, on trial for two minutes
  nodeprep.kubernetes.firewall:
    role: worker
    posture: enforce
    sources:
      admins: [203.0.113.0/24]
    confirm_within: 120

- name: Leave the connection that applied them
  ansible.builtin.meta: reset_connection

- name: See that a new one comes through
  ansible.builtin.wait_for_connection:
    timeout: 60

- name: Keep the rules
  nodeprep.kubernetes.firewall:
    state: confirmed

- name: Take everything of nodeprep's away
  nodeprep.kubernetes.firewall:
    state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be. Computed before anything is done.
  returned: always
  type: list
  elements: dict
  sample:
    - object: nft table inet nodeprep
      before: null
      after: "table inet nodeprep { ... }"
pending:
  description: The trial that waits for its confirmation; null where there is none.
  returned: when O(state=present) or O(state=absent)
  type: dict
  sample: {id: 0a1b2c3d4e5f, until: "2026-11-25T20:00:00Z", must_be_confirmed: true}
backend:
  description: Who writes the rules.
  returned: when O(state=present)
  type: str
  sample: nftables
reason:
  description: Why this backend.
  returned: when O(state=present)
  type: str
  sample: nothing else owns the packet filter
digest:
  description: Stands for everything that the policy admits.
  returned: when O(state=present)
  type: str
  sample: 5d41402abc4b2a76
refused:
  description: Why the rules are refused without O(force); null where they are not.
  returned: when O(state=present)
  type: str
  sample: null
warnings:
  description: Where the rules of others stop what a flow needs, or let in more.
  returned: when O(state=present) and there are any
  type: list
  elements: str
  sample: []
nodeprep_ms:
  description: How long nodeprep itself ran, in milliseconds.
  returned: always
  type: float
  sample: 640.1
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodeprep.kubernetes.plugins.module_utils.nodeprep import (
    Nodeprep,
    role_arguments,
)


def main():
    """Applies, confirms or removes, and returns what changed."""
    module = AnsibleModule(
        argument_spec=dict(
            role_arguments(),
            role=dict(type="str", choices=["master", "multi-master", "worker", "etcd"]),
            state=dict(type="str", choices=["present", "confirmed", "absent"], default="present"),
            posture=dict(type="str", choices=["allow", "enforce"], default="allow"),
            backend=dict(
                type="str",
                choices=["auto", "nftables", "iptables-nft", "iptables-legacy", "firewalld", "ufw"],
                default="auto",
            ),
            sources=dict(type="dict", default={}),
            confirm_within=dict(type="int"),
            force=dict(type="bool", default=False),
        ),
        required_if=[("state", "present", ["role"])],
        supports_check_mode=True,
    )
    states = dict(present=present, confirmed=confirmed, absent=absent)
    module.exit_json(**states[module.params["state"]](module, Nodeprep(module)))


def present(module, nodeprep):
    """The rules of the role in force, on trial."""
    flags = [*nodeprep.flags_but("state", "sources"), *source_flags(module)]
    document = nodeprep.changing(["firewall", "apply", *flags])
    result = nodeprep.result(
        document, "changes", "pending", "backend", "reason", "digest", "refused"
    )
    for warning in document["warnings"]:
        module.warn(warning)
    if document["changed"] and document["refused"] and not module.params["force"]:
        module.fail_json(msg=document["refused"], **result)
    return result


def confirmed(module, nodeprep):
    """The end of the trial. In check mode: whether there is one."""
    if module.check_mode:
        pending = nodeprep.read(["firewall", "status"])["pending"]
        waits = pending is not None and pending["must_be_confirmed"]
        return nodeprep.result(dict(changed=waits, changes=[]), "changes")
    return nodeprep.result(
        nodeprep.read(["firewall", "confirm", *nodeprep.flags("force")]), "changes"
    )


def absent(module, nodeprep):
    """Nothing of nodeprep's in any packet filter."""
    document = nodeprep.changing(["firewall", "remove", *nodeprep.flags("confirm_within", "force")])
    return nodeprep.result(document, "changes", "pending")


def source_flags(module):
    """C({group: [address]}) as flags."""
    flags = []
    for group, addresses in sorted(module.params["sources"].items()):
        listed = addresses if isinstance(addresses, list) else [addresses]
        if listed:
            flags.append("--source={}={}".format(group, ",".join(str(each) for each in listed)))
    return flags


if __name__ == "__main__":
    main()
