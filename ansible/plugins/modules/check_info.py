#!/usr/bin/python
# Copyright: the nodeprep authors
# Apache-2.0 (see LICENSE) or, as you like, the
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: check_info
short_description: Judge a machine as a Kubernetes node
version_added: 0.1.0
description:
  - Runs C(nodeprep check) on the machine and returns its report. Changes nothing.
author:
  - The nodeprep authors (@nodeprep)
extends_documentation_fragment:
  - nodeprep.kubernetes.nodeprep
  - nodeprep.kubernetes.nodeprep.role
  - nodeprep.kubernetes.nodeprep.node
attributes:
  diff_mode:
    support: none
options:
  phase:
    description:
      - Whether kubeadm has run on the machine already.
    type: str
    choices: [before, after]
    default: before
  ignore:
    description:
      - Checks, by id or kubeadm's name, that are run and returned but do not count.
    type: list
    elements: str
    default: []
  skip:
    description:
      - Checks that are not run.
    type: list
    elements: str
    default: []
  strict:
    description:
      - A warning counts as a failure.
    type: bool
    default: false
  deep:
    description:
      - Also measure, such as etcd's disk.
    type: bool
    default: false
  offline:
    description:
      - Send no packet.
    type: bool
    default: false
  card_dir:
    description:
      - A directory on the node with the other nodes' cards, to compare with.
    type: path
  fail_on:
    description:
      - On which verdict the task fails. The report is returned in any case.
      - V(error) fails on C(not-ready), V(undetermined) also on C(undetermined).
    type: str
    choices: [never, error, undetermined]
    default: never
"""

EXAMPLES = r"""
- name: Stop unless this machine can become a worker
  nodeprep.kubernetes.check_info:
    role: worker
    cni: flannel/vxlan
    ignore: [memory]
    fail_on: error

- name: Look at a control-plane node after kubeadm
  nodeprep.kubernetes.check_info:
    role: multi-master
    phase: after
  register: node

- name: Show what is wrong there
  ansible.builtin.debug:
    msg: "{{ node.findings | map(attribute='remedy') }}"
"""

RETURN = r"""
verdict:
  description: The verdict.
  returned: always
  type: str
  sample: not-ready
summary:
  description: How many findings there are of each status.
  returned: always
  type: dict
  sample: {pass: 92, warn: 1, fail: 1, unknown: 0, skip: 4}
findings:
  description: The findings that fail, warn or are unknown, as in the report.
  returned: always
  type: list
  elements: dict
  sample:
    - id: swap-off
      subject: /swap.img
      status: fail
      severity: error
      message: "2048 MiB of swap on /swap.img"
      remedy: swapoff -a
report:
  description: The whole CheckReport, as C(nodeprep check -o json) prints it.
  returned: success
  type: dict
  sample: {kind: CheckReport, schema_version: 1, verdict: not-ready}
nodeprep_ms:
  description: How long nodeprep itself ran, in milliseconds.
  returned: always
  type: float
  sample: 412.5
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodeprep.kubernetes.plugins.module_utils.nodeprep import (
    Nodeprep,
    counted,
    is_broken,
    role_arguments,
    sentence,
)


def main():
    """Checks, and returns the report."""
    module = AnsibleModule(
        argument_spec=dict(
            role_arguments(),
            phase=dict(type="str", choices=["before", "after"], default="before"),
            ignore=dict(type="list", elements="str", default=[]),
            skip=dict(type="list", elements="str", default=[]),
            strict=dict(type="bool", default=False),
            deep=dict(type="bool", default=False),
            offline=dict(type="bool", default=False),
            card_dir=dict(type="path"),
            fail_on=dict(type="str", choices=["never", "error", "undetermined"], default="never"),
        ),
        supports_check_mode=True,
    )
    nodeprep = Nodeprep(module)
    report = nodeprep.read(["check", *nodeprep.flags_but("fail_on")])
    result = nodeprep.result(report, "verdict", "summary")
    result["findings"] = counted(report["findings"])
    message = sentence(report["verdict"], report["findings"])
    if is_broken(report["verdict"], module.params["fail_on"]):
        module.fail_json(msg=message, **result)
    module.exit_json(msg=message, report=report, **result)


if __name__ == "__main__":
    main()
