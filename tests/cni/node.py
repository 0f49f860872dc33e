"""A node in private namespaces (tests.faults.lab) with real plugins, for tests of `nodeprep cni`.

`up0` is 192.0.2.11/24 with its default route by 192.0.2.1 in the namespace `peer`, the outside.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import Any

from tests.faults.lab import SETUP

TIME_LIMIT_S = 120
PLUGIN_DIR = "/usr/lib/cni"
CONF_PATH = "/etc/cni/net.d/10-nodeprep.conflist"
_COMMANDS = f"""
nodeprep() {{ {shlex.quote(sys.executable)} -m preflight "$@"; }}
mkdir -p /etc/cni/net.d /opt/cni/bin
for plugin in {PLUGIN_DIR}/*; do ln -sf "$plugin" /opt/cni/bin/; done
echo 1 > /proc/sys/net/ipv4/ip_forward
"""


def bridge(**changes: Any) -> dict[str, Any]:
    """A list with a bridge for 10.244.1.0/24; ``changes`` to the plugin (None takes a key out)."""
    plugin: dict[str, Any] = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": "10.244.1.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
        **changes,
    }
    plugin = {key: value for key, value in plugin.items() if value is not None}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]}


def node(
    script: str,
    *,
    conf: dict[str, Any] | None = None,
    timeout_s: float = TIME_LIMIT_S,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Runs a shell script (``set -e``) on the node; ``nodeprep`` in it is this tree's."""
    lay = ""
    if conf is not None:
        lay = f"printf '%s' {shlex.quote(json.dumps(conf))} > {CONF_PATH}\n"
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--uts",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "bash",
            "-c",
            f"{{ {SETUP}\n{_COMMANDS}\n{lay} }} >&2\n{script}",
        ],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.getcwd()},
    )
    if check and done.returncode:
        raise AssertionError(
            f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
    return done
