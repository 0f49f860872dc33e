"""Six machines with sshd behind a router, and a controller in another network that plays on them.

Each machine is a set of namespaces of its own (network, mounts, host name, processes) with private
copies of its files and of what the kernel has one of; the network is a bridge in the router.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tests.faults.lab import FILES
from tests.faults.runtime import BASELINE
from tests.fixes.lab import PRIVATE, Node
from tests.rules.backend.lab import ROOT, Machine

TIME_LIMIT_S = 300
# The path of a built single file, to play with that.
SINGLE_FILE = "NODEPREP_SINGLE_FILE"
CONTROLLER = "203.0.113.5"
CONTROLLER_NAME = "controller"
# A second one, which is no administrator's.
STRANGER = "198.51.100.9"
# On a machine: modules of a test for the Python there.
HOOKS = "/run/hooks"
_BIN = Path(sys.executable).parent
_ROUTER = f"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/cp
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link set lo up
ip link add br0 type bridge mcast_snooping 0
ip address add 192.0.2.1/24 dev br0
ip link set br0 up
ip netns add controller
ip link add admin type veth peer name eth0 netns controller
ip address add 203.0.113.1/24 dev admin
ip link set admin up
ip -n controller link set lo up
ip -n controller address add {CONTROLLER}/24 dev eth0
ip -n controller link set eth0 up
ip -n controller route add default via 203.0.113.1
# Tracks the connections, so that a translation made later leaves them alone.
nft 'table ip nat {{ chain out {{ type nat hook postrouting priority srcnat; }};
chain tracked {{ type filter hook forward priority 0; ct state invalid counter; }}; }}'
echo ready
exec sleep 900
"""
_SSHD = """
mkdir -p /run/overlay/root/upper /run/overlay/root/work /run/sshd
mount -t overlay overlay -o \
lowerdir=/root,upperdir=/run/overlay/root/upper,workdir=/run/overlay/root/work /root
# sshd notes who logged in.
mkdir /run/log
mount --bind /run/log /var/log
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
cat > /run/sshd_config <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /run/authorized_keys
PermitRootLogin prohibit-password
StrictModes no
Subsystem sftp internal-sftp
UsePAM no
UseDNS no
PidFile /run/sshd.pid
END
"""
# What any machine has before it is a node: a runtime, a kubelet, a time service, no firewall.
_SOUND = (
    BASELINE
    + r"""
printf '[Service]\nExecStart=/usr/local/bin/kubelet\n[Install]\nWantedBy=multi-user.target\n' \
    > /etc/systemd/system/kubelet.service
printf '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' \
    > /etc/systemd/system/chrony.service
cat > /run/bin/chronyc <<'END'
#!/bin/bash
[ -e /run/active/chrony.service ] || exit 1
echo C0000201,192.0.2.1,3,1795460000.0,0.00002,0.00001,0.00003,1.0,0.0,0.01,0.02,0.001,64.0,Normal
END
chmod 755 /run/bin/chronyc
# There is no name server.
printf 'hosts: files\n' > /etc/nsswitch.conf
# Layers of images, which the lab's own overlay of /var cannot hold.
mkdir -p /var/lib/containerd
mount -t tmpfs tmpfs /var/lib/containerd
systemctl disable -q firewalld.service ufw.service nftables.service 2> /dev/null || true
cat > /etc/systemd/system/containerd.service <<'END'
[Service]
ExecStart=/usr/bin/containerd
[Install]
WantedBy=multi-user.target
END
systemctl enable -q kubelet.service containerd.service chrony.service
systemctl start chrony.service
ln -sf /etc/machine-id /var/lib/dbus/machine-id
"""
)


@dataclass(frozen=True)
class Host:
    """``seed``: shell that puts faults into the sound machine. ``own_name``: what the machine calls
    itself, where the inventory calls it otherwise. ``reached``: by what name the controller finds
    it, where that is not its address."""

    name: str
    number: int
    seed: str = ""
    network: str = "192.0.2"
    own_name: str = ""
    reached: str = ""

    @property
    def address(self) -> str:
        return f"{self.network}.{self.number}"

    @property
    def gateway(self) -> str:
        return f"{self.network}.1"


class Server(Node):
    """A machine with sshd that is not in any network yet."""

    setup = FILES + PRIVATE + _SSHD + "echo ready\nexec sleep 900\n"

    def __init__(self, directory: Path, host: Host) -> None:
        self.host = host
        directory.mkdir()
        super().__init__(directory)

    def environment(self, more: Any = None) -> dict[str, str]:
        """As over SSH: the state directory is the default one."""
        found = super().environment(more)
        del found["NODEPREP_STATE_DIR"]
        return found

    def begin(self, public_key: str) -> None:
        """Its name, its address, its services and its faults."""
        name, address = self.host.own_name or self.host.name, self.host.address
        self.write("/run/authorized_keys", public_key)
        self.shell(
            f"hostname {name}\n"
            f"printf '{name}\\n' > /etc/hostname\n"
            f"printf '127.0.0.1 localhost\\n::1 localhost\\n{address} {name}\\n' > /etc/hosts\n"
            f"printf '%s\\n' $(printf {name} | md5sum | cut -c-32) > /etc/machine-id\n"
            f"ip address add {address}/24 dev up0\n"
            "ip link set up0 up\n"
            f"ip route add default via {self.host.gateway}\n"
            f"echo SetEnv PATH=/run/bin:{os.environ['PATH']} PYTHONPATH={HOOKS}"
            " >> /run/sshd_config\n"
            "/usr/sbin/sshd -f /run/sshd_config\n"
            f"{_SOUND}\n{self.host.seed}"
        )


@dataclass
class Play:
    """What a run of ansible-playbook did."""

    code: int
    output: str
    results: list[dict[str, Any]]
    seconds: float

    def changed(self) -> dict[str, int]:
        """Host -> how many tasks changed something, as the recap counts them."""
        found: dict[str, int] = {}
        for line in self.output.rpartition("PLAY RECAP")[2].splitlines():
            name, colon, counts = line.partition(" : ")
            if colon:
                words = dict(word.split("=") for word in counts.split())
                found[name.strip()] = int(words["changed"])
        return found

    def changes(self) -> dict[str, list[tuple[str, str]]]:
        """Host -> (task, object) of everything that was changed, or would be."""
        found: dict[str, list[tuple[str, str]]] = {}
        for item in self.results:
            result = item["result"]
            if not result.get("changed"):
                continue
            objects = [change["object"] for change in result.get("changes", [])]
            for each in objects or [""]:
                found.setdefault(item["host"], []).append((item["task"], each))
        return {host: sorted(items) for host, items in found.items()}

    def own_ms(self) -> dict[str, float]:
        """Host -> how long nodeprep's own processes ran."""
        found: dict[str, float] = {}
        for item in self.results:
            found[item["host"]] = found.get(item["host"], 0.0) + item["nodeprep_ms"]
        return found

    def tasks_ms(self) -> dict[str, float]:
        """Host -> how long all its tasks took, as the controller saw it."""
        found: dict[str, float] = {}
        for item in self.results:
            if item["host"] != "localhost":
                found[item["host"]] = found.get(item["host"], 0.0) + item["took_ms"]
        return found

    def failures(self) -> list[tuple[str, str, str]]:
        """(host, task, message) of what failed and was not caught."""
        return [
            (item["host"], item["task"], str(item["result"].get("msg", "")))
            for item in self.results
            if item["status"] in ("failed", "unreachable")
        ]


@dataclass
class Run:
    """A run of ansible-playbook that has begun."""

    process: subprocess.Popen[str]
    record: Path
    begun: float

    def finish(self, *, code: int | None = 0) -> Play:
        """Waits for it; it must end with ``code`` (None: with any)."""
        output, _ = self.process.communicate(timeout=TIME_LIMIT_S)
        results = []
        if self.record.exists():
            results = [json.loads(line) for line in self.record.read_text().splitlines()]
        seconds = time.monotonic() - self.begun
        ended = self.process.returncode
        assert code is None or ended == code, f"{ended}: {output[-6000:]}"
        return Play(ended, output, results, seconds)


class Router(Machine):
    """The namespaces between the machines, and the controller's."""

    setup = _ROUTER


@dataclass
class Lab:
    """All of it, for one test or some that go on where the one before has ended."""

    place: Path
    hosts: tuple[Host, ...]
    servers: dict[str, Server] = field(default_factory=dict)
    between: ClassVar[type[Router]] = Router

    def __enter__(self) -> Lab:
        for name in ("router", "collections/ansible_collections/nodeprep"):
            (self.place / name).mkdir(parents=True)
        (self.place / "collections/ansible_collections/nodeprep/kubernetes").symlink_to(
            ROOT / "ansible"
        )
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.place / "key")],
            check=True,
        )
        self._write_single_file()
        self.router = self.between(self.place / "router")
        for host in self.hosts:
            self.servers[host.name] = Server(self.place / host.name, host)
        for name, server in self.servers.items():
            self._cable(name, server)
        public = (self.place / "key.pub").read_text()
        for server in self.servers.values():
            server.begin(public)
        return self

    def _write_single_file(self) -> None:
        """What is copied to the nodes: calls this tree, where no built file is named."""
        self.single = Path(os.environ.get(SINGLE_FILE) or self.place / "nodeprep")
        if not self.single.exists():
            self.single.write_text(
                "#!/bin/sh\nexport PYTHONDONTWRITEBYTECODE=1\n"
                f'export PYTHONPATH={shlex.quote(str(ROOT))}"${{PYTHONPATH:+:$PYTHONPATH}}"\n'
                f'exec {sys.executable} -m preflight "$@"\n'
            )
            self.single.chmod(0o755)
            # Once, and not in each of the many processes, which write no compiled code.
            for package in ("preflight", "rules", "templates"):
                compileall.compile_dir(ROOT / package, quiet=1)
            digest = hashlib.sha256(self.single.read_bytes()).hexdigest()
            (self.place / "SHA256SUMS").write_text(f"{digest}  nodeprep\n")

    def _cable(self, name: str, server: Server) -> None:
        inside = ["nsenter", "-t", str(self.router.pid), "-n", "ip", "link"]
        number = server.host.number
        subprocess.run(
            [*inside, "add", name, "type", "veth", "peer", "name", "up0",
             "address", f"52:54:00:00:00:{number:02x}", "netns", str(server.pid)],
            check=True,
        )  # fmt: skip
        subprocess.run([*inside, "set", name, "master", "br0", "up"], check=True)

    def __exit__(self, *_: object) -> None:
        for machine in (*self.servers.values(), self.router):
            machine.close()

    def play(
        self, book: str, inventory: str, *arguments: str, code: int | None = 0, **variables: Any
    ) -> Play:
        """One run of a playbook of the collection on the controller."""
        return self.start(book, inventory, *arguments, **variables).finish(code=code)

    def start(self, book: str, inventory: str, *arguments: str, **variables: Any) -> Run:
        """Begins one. ``inventory``: INI; the addresses of its hosts are added."""
        place = Path(tempfile.mkdtemp(dir=self.place))
        listed = {word for line in inventory.splitlines() for word in line.split()[:1]}
        lines = [
            f"{host.name} ansible_host={host.reached or host.address}"
            for host in self.hosts
            if host.name in listed
        ]
        (place / "inventory.ini").write_text("\n".join([*lines, inventory]) + "\n")
        (place / "variables.json").write_text(json.dumps({**self._variables(), **variables}))
        argv = [
            *("nsenter", "-t", str(self.router.pid), "-n", "-m", "-p", "--"),
            *("ip", "netns", "exec", CONTROLLER_NAME),
            *(str(_BIN / "ansible-playbook"), f"nodeprep.kubernetes.{book}"),
            *("-i", str(place / "inventory.ini"), "-e", f"@{place / 'variables.json'}"),
            *arguments,
        ]
        process = subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment(place),
            cwd=place,
        )
        return Run(process, place / "record", time.monotonic())

    def _variables(self) -> dict[str, Any]:
        return {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self.place / "key"),
            "nodeprep_become": False,
            "nodeprep_file": str(self.single),
            "nodeprep_sources": {"admins": ["203.0.113.0/24"]},
            "nodeprep_kubernetes_version": "1.37",
        }

    def _environment(self, place: Path) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("ANSIBLE_")}
        return {
            **kept,
            "PATH": f"{_BIN}:{os.environ['PATH']}",
            "ANSIBLE_HOME": str(self.place / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.place / "collections"),
            "ANSIBLE_CALLBACKS_ENABLED": "nodeprep.kubernetes.times",
            "NODEPREP_ANSIBLE_RECORD": str(place / "record"),
            "ANSIBLE_HOST_KEY_CHECKING": "false",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": "/run/cp",
            "ANSIBLE_SSH_ARGS": "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
            "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=2 "
            "-o ServerAliveCountMax=2",
            "ANSIBLE_FORKS": "8",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_INJECT_FACT_VARS": "false",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def verdict(self, name: str, role: str) -> str:
        """What nodeprep on a machine itself says of it, with the cluster file that it got."""
        out = self.servers[name].run(
            "/usr/local/bin/nodeprep", "check", "--role", role, "-o", "json", ok=False
        )
        return str(json.loads(out)["verdict"])

    def snapshots(self) -> dict[str, dict[str, Any]]:
        """Host -> all its files and kernel settings."""
        return {name: server.snapshot() for name, server in self.servers.items()}

    def on_router(self, script: str) -> str:
        """Runs shell in the router."""
        return self.router.shell(script)
