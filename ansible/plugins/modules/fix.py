#!/usr/bin/python
# Copyright: the nodeprep authors
# Apache-2.0 (see LICENSE) or, as you like, the
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fix
short_description: Mend what keeps a machine from being a Kubernetes node
version_added: 0.1.0
description:
  - Runs C(nodeprep fix) on the machine, which mends what C(nodeprep check) finds as far as a
    program can, keeps a journal, and judges again. C(nodeprep undo) takes it back.
  - The task fails where something was refused or could not be done, and on the verdicts that
    O(fail_on) names.
author:
  - The nodeprep authors (@nodeprep)
extends_documentation_fragment:
  - nodeprep.kubernetes.nodeprep
  - nodeprep.kubernetes.nodeprep.role
  - nodeprep.kubernetes.nodeprep.node
options:
  phase:
    description:
      - Whether kubeadm has run on the machine already.
    type: str
    choices: [before, after]
    default: before
  only:
    description:
      - Mend only what these checks find, by id or kubeadm's name.
    type: list
    elements: str
    default: []
  ignore:
    description:
      - Checks whose findings are left as they are; returned, but they do not count.
    type: list
    elements: str
    default: []
  skip:
    description:
      - Checks that are not run, and what they would find is left as it is.
    type: list
    elements: str
    default: []
  hostname:
    description:
      - Give the machine this name. Left out, the name stays.
    type: str
  regenerate_machine_id:
    description:
      - The machine is a copy of another one and gets a new machine ID, once.
    type: bool
    default: false
  regenerate_ssh_host_keys:
    description:
      - The machine is a copy and gets new SSH host keys, once. Whoever knows the old keys must
        learn the new ones, the controller too.
    type: bool
    default: false
  install_packages:
    description:
      - Install missing programs by apt, dnf or zypper.
    type: bool
    default: false
  offline:
    description:
      - Send no packet.
    type: bool
    default: false
  force:
    description:
      - Write over what somebody changed in nodeprep's own files.
    type: bool
    default: false
  next:
    description:
      - Commands that come after it, as they would be typed after C(nodeprep) and quoted as in a
        shell. What each would change then is returned; nothing of it is done. The facts are read
        once for all of them, and no task is needed for a part that is as it should be.
    type: list
    elements: str
    default: []
  fail_on:
    description:
      - On which verdict after the changes the task fails. Not in check mode, in which the verdict
        is that before them.
    type: str
    choices: [never, error, undetermined]
    default: never
"""

EXAMPLES = r"""
- name: Mend everything that a program can
  nodeprep.kubernetes.fix:
    role: worker
    install_packages: true

- name: Mend swap alone, and stop if the node is not ready then
  nodeprep.kubernetes.fix:
    role: master
    only: [swap-off, persistent-swap]
    fail_on: error

- name: Mend it, and ask whether the firewall's rules stand
  nodeprep.kubernetes.fix:
    role: worker
    next: [firewall apply --role worker --posture enforce]
  register: node

- name: Put them on trial where they do not
  nodeprep.kubernetes.firewall:
    role: worker
    posture: enforce
  when: node.next[0].changed != false

- name: Make a copy of a machine one of its own
  nodeprep.kubernetes.fix:
    role: worker
    hostname: "{{ inventory_hostname }}"
    regenerate_machine_id: true
    regenerate_ssh_host_keys: true
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be. Computed before anything is done.
  returned: always
  type: list
  elements: dict
  sample:
    - object: sysctl net.ipv4.ip_forward
      before: "0"
      after: "1"
      checks: [ip-forward]
effects:
  description: Commands that were run after the changes.
  returned: always
  type: list
  elements: str
  sample: [systemctl restart containerd.service]
notes:
  description: What a person may want to know.
  returned: always
  type: list
  elements: str
  sample: ["/etc/sysctl.d/10-site.conf sets net.ipv4.ip_forward to 0 and loses"]
problems:
  description: What was refused, or failed.
  returned: always
  type: list
  elements: dict
  sample: []
remedies:
  description: What a program does not mend here, with what a person can do.
  returned: always
  type: list
  elements: dict
  sample:
    - id: memory
      subject: ""
      message: "1024 MiB of memory"
      remedy: give the machine 1700 MiB or more
verdict:
  description: The verdict after the changes, in check mode the one before them.
  returned: always
  type: str
  sample: ready
summary:
  description: How many findings there are of each status.
  returned: always
  type: dict
  sample: {pass: 92, warn: 1, fail: 0, unknown: 0, skip: 4}
findings:
  description: The findings that fail, warn or are unknown, of the same time as the verdict.
  returned: always
  type: list
  elements: dict
  sample: []
next:
  description:
    - What each command of O(next) would change now, in check mode before the changes.
    - C(changed) is null where that could not be told, for which C(error) is the reason. C(pending)
      is a change that waits for C(nodeprep firewall confirm).
  returned: always
  type: list
  elements: dict
  sample:
    - command: firewall apply --role worker --posture enforce
      changed: false
      pending: null
      error: null
nodeprep_ms:
  description: How long nodeprep itself ran, in milliseconds.
  returned: always
  type: float
  sample: 907.3
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
    """Fixes, and returns what changed and what is left."""
    module = AnsibleModule(
        argument_spec=dict(
            role_arguments(),
            phase=dict(type="str", choices=["before", "after"], default="before"),
            only=dict(type="list", elements="str", default=[]),
            ignore=dict(type="list", elements="str", default=[]),
            skip=dict(type="list", elements="str", default=[]),
            hostname=dict(type="str"),
            regenerate_machine_id=dict(type="bool", default=False),
            regenerate_ssh_host_keys=dict(type="bool", default=False),
            install_packages=dict(type="bool", default=False),
            offline=dict(type="bool", default=False),
            force=dict(type="bool", default=False),
            next=dict(type="list", elements="str", default=[]),
            fail_on=dict(type="str", choices=["never", "error", "undetermined"], default="never"),
        ),
        supports_check_mode=True,
    )
    nodeprep = Nodeprep(module)
    flags = nodeprep.flags_but("next", "fail_on")
    flags += [f"--next={command}" for command in module.params["next"]]
    document = nodeprep.changing(["fix", *flags])
    check = document["check"]
    result = nodeprep.result(
        document, "changes", "effects", "notes", "problems", "remedies", "verdict"
    )
    result.update(findings=counted(check["findings"]), summary=check["summary"])
    result["next"] = [after(step) for step in document.get("next", [])]
    if document["problems"]:
        told = ["{}: {}".format(each["object"], each["message"]) for each in document["problems"]]
        module.fail_json(msg="not done: {}".format("; ".join(told)), **result)
    message = sentence(document["verdict"], check["findings"])
    if not module.check_mode and is_broken(document["verdict"], module.params["fail_on"]):
        module.fail_json(msg=message, **result)
    module.exit_json(msg=message, **result)


def after(step):
    """A command that comes after, without what it would change in detail."""
    pending = (step["document"] or {}).get("pending")
    return dict(
        command=step["command"], changed=step["changed"], pending=pending, error=step["error"]
    )


if __name__ == "__main__":
    main()
