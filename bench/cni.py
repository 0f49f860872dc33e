"""The pod network: proofs, ADD and DEL by the node's rule and by ipMasq, collecting leases.

Everything runs on a node of its own (tests.cni.node): namespaces with the real plugins and a real
containerd, which end with the bench.
"""

from __future__ import annotations

import compileall
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.process import side_by_side, table
from tests.cni.containerd import start, write_image
from tests.cni.node import CONF_PATH, PLUGIN_DIR, bridge, node
from tests.kernel import missing

_NODEPREP = [sys.executable, "-m", "preflight", "cni"]
_LEASES = 5000
_RULE = (
    "add table ip bench; add chain ip bench post { type nat hook postrouting priority 100; }; "
    "add rule ip bench post ip saddr 10.244.1.0/24 ip daddr != 10.244.0.0/16 masquerade"
)
# How often a pod is added and deleted, by each way in turn.
_PODS = 40


def run(runs: int) -> str:
    """The tables; a sentence where the machine lets nobody make namespaces."""
    if reason := missing():
        return f"The pod network was not measured: {reason}."
    # As an installed package is; the node's processes write none.
    for package in ("preflight", "rules", "templates"):
        compileall.compile_dir(package, quiet=1)
    with tempfile.TemporaryDirectory() as place:
        image = Path(place) / "pause.tar"
        write_image(image)
        script = f"{{ {start(image)} }} >&2\n{sys.executable} -m bench.cni {runs}"
        return node(script, conf=bridge(ipMasq=False), timeout_s=900).stdout.rstrip()


def _commands() -> dict[str, list[str]]:
    variables = (
        f"CNI_CONTAINERID=b CNI_NETNS=/run/netns/bench CNI_IFNAME=eth0 CNI_PATH={PLUGIN_DIR} "
        "CNI_ARGS="
    )
    conf = json.loads(Path(CONF_PATH).read_text())
    single = json.dumps({**conf["plugins"][0], "cniVersion": "1.0.0", "name": "pods"})
    Path("/run/single.json").write_text(single)
    both = (
        f"env CNI_COMMAND=ADD {variables} {PLUGIN_DIR}/bridge < /run/single.json && "
        f"env CNI_COMMAND=DEL {variables} {PLUGIN_DIR}/bridge < /run/single.json"
    )
    ours = " ".join(_NODEPREP)
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "the plugin alone: ADD, DEL (sh)": ["sh", "-c", both],
        "nodeprep cni add, del": [
            "sh", "-c", f"{ours} add b /run/netns/bench && {ours} del b",
        ],
        "nodeprep cni prove": [*_NODEPREP, "prove"],
        "nodeprep cni prove --scratch": [*_NODEPREP, "prove", "--scratch"],
        "nodeprep cni prove --via containerd": [*_NODEPREP, "prove", "--via", "containerd"],
        "nodeprep cni doctor": [*_NODEPREP, "doctor"],
    }  # fmt: skip


def _plugin_ms(masquerade: bool) -> dict[str, list[float]]:
    """Milliseconds of the plugin's own ADD and DEL."""
    plugin = {**bridge(ipMasq=masquerade)["plugins"][0], "cniVersion": "1.0.0", "name": "pods"}
    found: dict[str, list[float]] = {"ADD": [], "DEL": []}
    for _ in range(_PODS):
        for command, times in found.items():
            variables = {
                "CNI_COMMAND": command,
                "CNI_CONTAINERID": "b",
                "CNI_NETNS": "/run/netns/bench",
                "CNI_IFNAME": "eth0",
                "CNI_PATH": PLUGIN_DIR,
                "CNI_ARGS": "",
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            }
            began = time.perf_counter()
            subprocess.run(
                [f"{PLUGIN_DIR}/bridge"],
                input=json.dumps(plugin),
                env=variables,
                capture_output=True,
                text=True,
                check=True,
            )
            times.append((time.perf_counter() - began) * 1000)
    return found


def _by_rule() -> str:
    ways = {"the node's one rule": False, "the plugin's ipMasq": True}
    rows = ["| masquerading by | ADD ms | DEL ms | rules per pod |", "| --- | --- | --- | --- |"]
    for name, masquerade in ways.items():
        found = _plugin_ms(masquerade)
        figures = [f"{statistics.median(times):.1f}" for times in found.values()]
        rows.append(f"| {name} | {' | '.join(figures)} | {3 if masquerade else 0} |")
    return "\n".join(rows)


def _leases() -> None:
    directory = Path("/var/lib/cni/networks/pods")
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(_LEASES):
        path = directory / f"10.{100 + number // 65536}.{number // 256 % 256}.{number % 256}"
        path.write_text(f"dead{number}\r\neth0")


def _collecting(runs: int) -> str:
    times = []
    for _ in range(runs):
        _leases()
        began = time.perf_counter()
        subprocess.run([*_NODEPREP, "gc", "--min-age", "0"], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - began)
    return (
        f"`nodeprep cni gc` over {_LEASES:,} leases: median {statistics.median(times):.2f} s, "
        f"{min(times):.2f}-{max(times):.2f} s of {runs} runs"
    )


def inner(runs: int) -> str:
    """On the node itself."""
    subprocess.run(["ip", "netns", "add", "bench"], check=True)
    subprocess.run(["nft", _RULE], check=True)
    rows = _commands()
    samples = side_by_side(list(rows.values()), runs)
    parts: list[Callable[[], str]] = [_by_rule, lambda: _collecting(max(3, runs // 4))]
    return "\n\n".join([table(list(rows), samples), *(part() for part in parts)])


if __name__ == "__main__":
    print(inner(int(sys.argv[1])))
