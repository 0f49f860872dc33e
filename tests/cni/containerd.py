"""A real containerd on the test node (tests.cni.node), with a pause image made here.

No registry and no compiler: the image's only program is a few instructions that wait for ever.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path
from struct import pack

SOCKET = "/run/containerd/containerd.sock"
IMAGE = "nodeprep.test/pause:1"
# Wait for a signal, for ever: pause(2) on x86_64 (34); ppoll(0, 0, 0, 0) on aarch64 (73).
_CODE = {
    "x86_64": (62, bytes.fromhex("b8220000000f05ebf7")),
    "aarch64": (183, bytes.fromhex("000080d2010080d2020080d2030080d2280980d2010000d4faffff17")),
}
CONFIG = f"""
version = 2
root = "/run/ctd/root"
state = "/run/ctd/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp"]
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{IMAGE}"
stream_server_address = "127.0.0.1"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def program() -> bytes:
    """A static ELF file of one segment."""
    machine, code = _CODE[platform.machine()]
    base, size = 0x400000, 64 + 56 + len(code)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += pack("<HHIQQQIHHHHHH", 2, machine, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return head + segment + code


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, (data, mode) in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def write_image(path: Path) -> None:
    """A docker-archive that `ctr images import` takes."""
    layer = _tar({"pause": (program(), 0o755)})
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": ["/pause"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
            },
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    path.write_bytes(
        _tar(
            {
                "manifest.json": (json.dumps(manifest).encode(), 0o644),
                "config.json": (config, 0o644),
                "layer.tar": (layer, 0o644),
            }
        )
    )


def start(image: Path, config: str = CONFIG) -> str:
    """Shell: writes its configuration, starts it, imports the image. It ends with the node."""
    return f"""
# runc makes groups in the machine's own hierarchy; they are empty once the sandboxes are gone.
trap 'find /sys/fs/cgroup -depth -type d -name k8s.io -exec rmdir {{}} + 2> /dev/null' EXIT
mkdir -p /etc/containerd /run/ctd
cat > /etc/containerd/config.toml <<'END'
{config}
END
containerd --config /etc/containerd/config.toml > /run/ctd/log 2>&1 &
echo $! > /run/ctd/pid
for attempt in $(seq 200); do
    grep -q 'containerd successfully booted' /run/ctd/log && break
    sleep 0.05
done
ctr -n k8s.io images import {image} > /run/ctd/import 2>&1 || {{ cat /run/ctd/import >&2; exit 9; }}
"""
