"""The firewall beside nft, iptables-restore, ufw and firewall-cmd, in a namespace of its own.

``python -m bench.firewall RUNS`` is one such run: it expects to be alone in a network, mount and
PID namespace, which ``run`` makes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.process import Sample, side_by_side, table

SOURCES = 10_000
NODES = 10_000
RULES = 10_000
UFW_RULES = 20
_NODEPREP = str(Path(sys.executable).with_name("nodeprep"))
# What no program that reads such a file can do without: text -> YAML -> addresses.
_FLOOR = """
import sys, yaml
from ipaddress import ip_network
document = yaml.load(open(sys.argv[1]), yaml.CSafeLoader)
print(len([ip_network(text) for text in document["sources"]["nodePorts"]]))
"""
_SETUP = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/dbus /run/bench
for directory in /etc /usr/lib/ufw /lib/ufw; do
    [ -d "$directory" ] && [ ! -L "$directory" ] || continue
    place=/run/overlay$directory
    mkdir -p "$place/upper" "$place/work"
    mount -t overlay overlay -o "lowerdir=$directory,upperdir=$place/upper,workdir=$place/work" \
        "$directory"
done
ip link set lo up
exec "$@"
"""


def run(runs: int) -> str:
    """The tables, made in a private namespace. Needs root."""
    if os.geteuid() != 0:
        return "The firewall is not measured: it needs root, to make a network namespace.\n"
    command = [
        *("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
        *("bash", "-c", _SETUP, "bench"),
        *(sys.executable, "-m", "bench.firewall", str(runs)),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"}
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment, timeout=1800
    )
    return done.stdout


def cluster(*, sources: int = 0, nodes: int = 0) -> str:
    """A cluster file with so many addresses of clients of NodePorts, or so many workers."""
    chance = random.Random(5)  # noqa: S311 - no secret
    addresses = sorted(chance.sample(range(2**17), sources))
    clients = [f"198.{18 + (n >> 16)}.{n >> 8 & 255}.{n & 255}" for n in addresses]
    workers = "\n".join(
        f"  - {{name: w{n}, role: worker, addresses: [10.{n >> 15}.{n >> 7 & 255}.{2 * n & 255}]}}"
        for n in range(nodes)
    )
    return (
        'kubernetesVersion: "1.37"\n'
        "networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 172.20.0.0/16}\n"
        "cni: {name: bridge}\nnodes:\n"
        "  - {name: m1, role: multi-master, addresses: [192.0.2.11]}\n"
        f"  - {{name: x1, role: worker, addresses: [192.0.2.21]}}\n{workers}\n"
        f"sources:\n  admins: [203.0.113.0/24]\n  nodePorts: [{', '.join(clients)}]\n"
    )


class Bench:
    """Files in ``/run/bench``; each row is a command, with what must be undone before each run."""

    def __init__(self, runs: int) -> None:
        self.runs, self.directory = runs, Path("/run/bench")
        os.environ["NODEPREP_STATE_DIR"] = str(self.directory / "state")
        self.rows: list[tuple[str, list[str], Callable[[], None]]] = []

    def file(self, name: str, text: str) -> str:
        """Writes a file; its path."""
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def add(self, name: str, argv: list[str], before: str = "") -> None:
        """A row of the table."""
        self.rows.append((name, argv, lambda: sh(before or "true")))

    def table(self) -> str:
        """Measures the rows, in turn, and forgets them."""
        rows, self.rows = self.rows, []
        samples: list[Sample] = side_by_side(
            [argv for _, argv, _ in rows], self.runs, before=[prepare for _, _, prepare in rows]
        )
        bad = [name for (name, _, _), one in zip(rows, samples, strict=True) if one.code]
        if bad:
            raise SystemExit(f"{', '.join(bad)} ended with an error: nothing is measured")
        return table([name for name, _, _ in rows], samples)


def sh(script: str) -> None:
    """A script of sh, not measured; its error is one here too."""
    subprocess.run(["sh", "-ec", script], check=True, stdout=subprocess.DEVNULL, timeout=300)


def render(config: str, backend: str, *more: str) -> str:
    """What `nodeprep firewall render` prints for a worker under enforce."""
    argv = [_NODEPREP, "firewall", "render", "--role", "worker", "--posture", "enforce"]
    argv += ["--config", config, "--backend", backend, *more]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def applying(bench: Bench) -> str:
    """10,000 source addresses put in force, from nothing."""
    config = bench.file("sources.yaml", cluster(sources=SOURCES))
    nft = bench.file("rules.nft", render(config, "nftables"))
    restore = []
    for program in ("iptables", "ip6tables"):
        made = json.loads(render(config, program, "-o", "json"))
        for one in made["files"]:
            path = bench.file(f"{program}-{one['name']}", one["text"])
            is_set = path.endswith(".ipset")
            kind = "ipset restore -f" if is_set else f"{program}-restore -n"
            restore.append(f"{kind} {path}")
    restore.sort(key=lambda line: not line.startswith("ipset"))
    clean = (
        "nft flush ruleset; for set in $(ipset list -n); do ipset destroy $set; done; "
        "rm -rf /run/bench/state"
    )
    apply = [_NODEPREP, "firewall", "apply", "--role", "worker", "--posture", "enforce"]
    apply += ["--confirm-within", "0", "--config", config, "--backend"]
    bench.add("python -c pass", [sys.executable, "-c", "pass"])
    bench.add("python: the file by PyYAML's C parser and ipaddress, no more",
              [sys.executable, "-c", _FLOOR, config])  # fmt: skip
    bench.add("nft -f (the rendered file)", ["nft", "-f", nft], clean)
    bench.add("nodeprep firewall apply, nftables", [*apply, "nftables"], clean)
    bench.add("the same again: nothing to change", [*apply, "nftables"])
    bench.add("ipset restore, iptables-restore, ip6tables-restore (rendered)",
              ["sh", "-ec", "; ".join(restore)], clean)  # fmt: skip
    bench.add("nodeprep firewall apply, iptables-nft", [*apply, "iptables-nft"], clean)
    found = bench.table()
    sh(clean)
    return found


def managers(bench: Bench) -> str:
    """The same through ufw and firewalld, as their users do it."""
    config = bench.file("sources.yaml", cluster(sources=SOURCES))
    text = Path(config).read_text()
    addresses = text[text.index("nodePorts: [") + 12 :].split("]")[0].split(", ")
    listed = bench.file("addresses", "\n".join(addresses) + "\n")
    sh(
        "dbus-daemon --system --fork --nopidfile; "
        "setsid firewalld --nofork --nopid >/dev/null 2>&1 </dev/null & "
        "for turn in $(seq 100); do firewall-cmd --state >/dev/null 2>&1 && exit 0; sleep 0.1; "
        "done; exit 1"
    )
    bench.add(
        "firewall-cmd: ipset from a file, a rich rule, reload",
        [
            *("sh", "-ec"),
            "firewall-cmd -q --permanent --new-ipset=clients --type=hash:net "
            "--option=maxelem=65536; "
            f"firewall-cmd -q --permanent --ipset=clients --add-entries-from-file={listed}; "
            "firewall-cmd -q --permanent --add-rich-rule='rule family=ipv4 source ipset=clients "
            "port port=30000-32767 protocol=tcp accept'; firewall-cmd -q --reload",
        ],
        "rm -f /etc/firewalld/ipsets/* /etc/firewalld/zones/*; firewall-cmd -q --reload",
    )
    found = bench.table()
    sh("pkill -x firewalld; sleep 1; nft flush ruleset")
    sh("ufw --force enable >/dev/null")
    loop = (
        f"head -{UFW_RULES} {listed} | while read one; do "
        "ufw allow proto tcp from $one to any port 30000:32767 >/dev/null; done"
    )
    bench.runs = min(bench.runs, 5)
    bench.add(f"ufw allow, {UFW_RULES} addresses and not {SOURCES:,}", ["sh", "-ec", loop],
              "ufw --force reset >/dev/null; ufw --force enable >/dev/null")  # fmt: skip
    last = bench.table().splitlines()[-1]
    sh("ufw --force disable >/dev/null; nft flush ruleset")
    return f"{found}\n{last}"


def rendering(bench: Bench) -> str:
    """A cluster of 10,000 nodes."""
    config = bench.file("nodes.yaml", cluster(nodes=NODES))
    for backend in ("nftables", "iptables"):
        argv = [_NODEPREP, "firewall", "render", "--role", "worker", "--config", config]
        bench.add(f"nodeprep firewall render --backend {backend}", [*argv, "--backend", backend])
    return bench.table()


def tracing(bench: Bench) -> str:
    """One packet against 10,000 rules of iptables, of which the last one decides."""
    rules = "".join(
        f"-A INPUT -s 10.{n >> 8 & 255}.{n & 255}.1/32 -p tcp -m tcp --dport {n % 60000 + 1} "
        "-j ACCEPT\n"
        for n in range(RULES - 1)
    )
    rules += "-A INPUT -p tcp -m tcp --dport 6443 -j ACCEPT\n"
    saved = bench.file(
        "rules.v4",
        f"*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n",
    )
    trace = [_NODEPREP, "firewall", "trace", "--from", "192.0.2.21", "--to", "192.0.2.11"]
    trace += ["--dport", "6443"]
    sh(f"ip address add 192.0.2.11/32 dev lo; iptables-nft-restore {saved}")
    bench.add("nodeprep firewall trace, a saved ruleset", [*trace, "--ruleset", saved])
    bench.add("nodeprep firewall trace, the live ruleset (iptables-nft)", trace)
    bench.add("iptables-nft-save", ["iptables-nft-save"])
    found = bench.table()
    sh("nft flush ruleset")
    return found


def main() -> None:
    bench = Bench(int(sys.argv[1]))
    print(f"{SOURCES:,} source addresses, from no rules to all in force:\n\n{applying(bench)}\n")
    print(f"{NODES:,} nodes, rendered:\n\n{rendering(bench)}\n")
    print(f"One packet against {RULES:,} rules:\n\n{tracing(bench)}\n")
    from bench.packets import per_packet

    print(f"{per_packet()}\n")
    print(f"{SOURCES:,} source addresses through the managers:\n\n{managers(bench)}")


if __name__ == "__main__":
    main()
