# Copyright: the nodeprep authors
# Apache-2.0 (see LICENSE) or, as you like, the
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""Options that the modules have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """What every module takes, and what the modules with a role take."""

    DOCUMENTATION = r"""
options:
  executable:
    description:
      - The nodeprep program on the node, by path or by a name in C(PATH).
    type: str
    default: nodeprep
  config:
    description:
      - The cluster file on the node.
      - Left out, it is C(/etc/nodeprep/nodeprep.yaml) where that exists.
    type: path
  kubeadm_config:
    description:
      - kubeadm's own configuration on the node.
    type: path
requirements:
  - nodeprep on the node
"""

    ROLE = r"""
options:
  role:
    description:
      - What the machine is to be.
    type: str
    required: true
    choices: [master, multi-master, worker, etcd]
  kubernetes_version:
    description:
      - Such as C(1.37). Left out, it is that of the cluster file, else of kubeadm on the node.
    type: str
  cni:
    description:
      - The pod network, such as C(flannel/vxlan). Left out, it is that of the cluster file.
    type: str
"""

    NODE = r"""
attributes:
  check_mode:
    description: Can run in check mode and says what would change without changing it.
    support: full
  diff_mode:
    description: Says before and after of everything that changes, or would, in diff mode.
    support: full
  platform:
    description: Target operating systems.
    platforms: linux
    support: full
"""
