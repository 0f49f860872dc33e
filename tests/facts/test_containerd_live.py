"""The readers beside a real containerd, in mount, network and PID namespaces of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel

_SCRIPT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/work /run/containerd /run/work/net.d
cat > /run/work/config.toml
ip link set lo up
containerd --config /run/work/config.toml --root /run/work/root --state /run/work/state \
    2> /run/work/log &
for attempt in $(seq 200); do
    grep -q 'containerd successfully booted' /run/work/log && break
    sleep 0.05
done
$1 -c '
import json, sys
from preflight.facts.codec import encode
from preflight.facts.cri import pod_sandbox_ids
from preflight.facts.host import Host
from preflight.facts.runtime import collect
from preflight.settings import Settings
facts = encode(collect(Host(offline=True), Settings()))
facts["sandboxes"] = encode(pod_sandbox_ids("/run/containerd/containerd.sock"))
print(json.dumps(facts))'
"""
_CRI = """
[plugins."io.containerd.grpc.v1.cri"]
stream_server_address = "127.0.0.1"
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/run/work/bin"
conf_dir = "/run/work/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
"""


def facts_beside(config: str) -> dict[str, Any]:
    require_kernel("containerd")
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "sh", "-c", _SCRIPT,
         "sh", sys.executable],
        input=config,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_a_running_containerd_tells_what_its_file_says() -> None:
    facts = facts_beside(f"version = 2\n{_CRI}")
    (server,) = facts["cri_servers"]
    assert (server["name"], server["api"], server["ready"]) == ("containerd", "v1", True)
    assert server["network_ready"] is False
    (config,) = facts["runtime_configs"]
    assert config["path"] == "/run/work/config.toml"
    assert server["configured_driver"] == config["cgroup_driver"] == "systemd"
    assert server["plugin_dirs"] == config["plugin_dirs"] == ["/run/work/bin"]
    assert server["conf_dir"] == config["conf_dir"] == "/run/work/net.d"
    assert facts["sandboxes"] == []


def test_a_containerd_with_its_cri_switched_off() -> None:
    disabled = 'disabled_plugins = ["io.containerd.grpc.v1.cri"]'
    facts = facts_beside(f"version = 2\n{disabled}\n{_CRI}")
    (server,) = facts["cri_servers"]
    assert (server["reason"], server["api"]) == ("unimplemented", "")
    (config,) = facts["runtime_configs"]
    assert config["disabled_at"] == "/run/work/config.toml:2"
    assert facts["sandboxes"]["unknown"] == "failed"
