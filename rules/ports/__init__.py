"""The port matrix: component x port x role x Kubernetes version, every row with its source.

What pod networks add is in ``rules.cnis``. ``rules.policy`` picks the rows of one node.
"""

from __future__ import annotations

from rules.ports import addons, controlplane, host, node

ROWS = (*controlplane.ROWS, *node.ROWS, *host.ROWS, *addons.ROWS)

__all__ = ["ROWS"]
