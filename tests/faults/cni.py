"""Faults of the pod network: configuration, plugins, bridge, leftovers, traces of products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network

from preflight.checks.cnileftovers import live_chains
from preflight.facts.model import Facts, known, known_or
from preflight.facts.model.cni import Cni, IpamLease
from preflight.facts.model.firewall import FilterTable, Firewall
from preflight.settings import Settings
from preflight.target import Phase
from rules.cluster import Cluster, CniChoice
from tests.checks.pods import changed_plugin
from tests.faults.model import LiveFault, SavedFault
from tests.nodes import cni

# A node with the reference plugins, a bridge configuration and a containerd that looks for both.
BASELINE = rf"""
mkdir -p /opt/cni/bin /etc/cni/net.d /etc/containerd /etc/nodeprep
ln -s /usr/lib/cni/* /opt/cni/bin/
cat > /etc/containerd/config.toml <<'END'
version = 2
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin"
  conf_dir = "/etc/cni/net.d"
END
printf 'networking: {{podSubnet: 10.244.0.0/16}}\n' > /etc/nodeprep/nodeprep.yaml
cat > /etc/cni/net.d/10-nodeprep.conflist <<'END'
{cni.CONFLIST}END
"""
CONF = "/etc/cni/net.d/10-nodeprep.conflist"
# As the bridge plugin leaves it; a fault makes it in another way.
BRIDGE = "ip link add cni0 address 0a:58:0a:f4:01:01 type bridge && ip link set cni0 up"


def live(name: str, found: str, shell: str, baseline: str = BASELINE) -> LiveFault:
    return LiveFault(name, frozenset({found}), shell, baseline)


def of_the_bridge(name: str, shell: str) -> LiveFault:
    return live(name, "cni-bridge-sane", shell)


def edit(name: str, *substitutions: str) -> LiveFault:
    """A change of the configuration file by sed."""
    script = "; ".join(substitutions)
    # sed does not tell whether it changed anything: the file must differ.
    shell = f"cp {CONF} /run/before && sed -i '{script}' {CONF} && ! cmp -s /run/before {CONF}"
    return live(name, "cni-conf-valid", shell)


def elf_header(machine: int) -> str:
    """printf's octal words for 64 bytes of a 64-bit little-endian program."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = ident + (2).to_bytes(2, "little") + machine.to_bytes(2, "little") + bytes(44)
    return "".join(f"\\{byte:03o}" for byte in head)


WINNER = (
    live(
        "first CNI file is broken",
        "cni-conf-winner",
        'printf \'{"name": "old",\' > /etc/cni/net.d/05-old.conflist',
    ),
    live(
        "first CNI file is a dead link",
        "cni-conf-winner",
        "ln -s /nowhere /etc/cni/net.d/00-old.conflist",
    ),
    live(
        "Podman's network sorts first",
        "cni-conf-winner",
        'printf \'%s\' \'{"cniVersion": "0.4.0", "name": "podman", "plugins": [{"type": '
        '"bridge", "bridge": "cni-podman0", "isGateway": true, "ipam": {"type": '
        '"host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]}}]}\' '
        "> /etc/cni/net.d/05-podman.conflist",
    ),
    live(
        "Flannel's file is left beside the bridge",
        "cni-conf-winner",
        'printf \'%s\' \'{"cniVersion": "0.3.1", "name": "cbr0", "plugins": [{"type": '
        '"flannel", "delegate": {"isDefaultGateway": true}}]}\' '
        "> /etc/cni/net.d/10-flannel.conflist",
    ),
    live(
        "network configuration lacks its name",
        "cni-conf-winner",
        f"sed -i '/\"name\"/d' {CONF}",
    ),
)
VALID = (
    edit("isGatway in the bridge configuration", "s/isDefaultGateway/isGatway/"),
    edit(
        "isDefaultGateway and a default route",
        's/"host-local",/"host-local", "routes": [{"dst": "0.0.0.0\\/0"}],/',
    ),
    edit("hairpin and promiscuous bridge", 's/"hairpinMode": true/&, "promiscMode": true/'),
    edit("host bits in the pod subnet", "s/10.244.1.0/10.244.1.5/"),
    edit("pod subnet outside the pod range", "s/10.244.1.0/10.88.1.0/"),
    edit("pod subnet too small", "s/10.244.1.0.24/10.244.1.0\\/31/"),
    edit(
        "overlapping pod subnets",
        's/\\[\\[{/[[{"subnet": "10.244.1.128\\/25"}], [{/',
    ),
    edit("CNI 1.1.0 with plugins of 1.1.1", 's/"cniVersion": "1.0.0"/"cniVersion": "1.1.0"/'),
    edit("no cniVersion", "/cniVersion/d"),
    edit("portmap without its capability", 's/, "capabilities": {"portMappings": true}//'),
    edit("VLAN out of range", 's/"hairpinMode": true/"vlan": 4095/'),
    edit(
        "text for true in the bridge configuration", 's/"hairpinMode": true/"hairpinMode": "yes"/'
    ),
    edit("pod MTU above the uplink's", 's/"hairpinMode": true/"mtu": 9000/'),
    edit("network name with a space", 's/"name": "pods"/"name": "my pods"/'),
)
PLUGINS = (
    live("a plugin is missing", "cni-plugins-present", "rm /opt/cni/bin/host-local"),
    live("loopback plugin is missing", "cni-plugins-present", "rm /opt/cni/bin/loopback"),
    live(
        "a plugin is not executable",
        "cni-plugins-present",
        "rm /opt/cni/bin/portmap && install -m 644 /usr/lib/cni/portmap /opt/cni/bin/portmap",
    ),
    live(
        "a plugin of another architecture",
        "cni-plugins-present",
        # 22: s390x, which no machine that runs these tests is.
        f"rm /opt/cni/bin/loopback && printf '{elf_header(22)}' > /opt/cni/bin/loopback && "
        "chmod 755 /opt/cni/bin/loopback",
    ),
    live(
        "a plugin is cut off",
        "cni-plugins-present",
        "rm /opt/cni/bin/loopback && head -c 100000 /usr/lib/cni/loopback > /opt/cni/bin/loopback "
        "&& chmod 755 /opt/cni/bin/loopback",
    ),
    live(
        "a plugin is an error page",
        "cni-plugins-present",
        "rm /opt/cni/bin/loopback && echo '<html>404</html>' > /opt/cni/bin/loopback && "
        "chmod 755 /opt/cni/bin/loopback",
    ),
    live(
        "a plugin is an empty file",
        "cni-plugins-present",
        "rm /opt/cni/bin/loopback && install -m 755 /dev/null /opt/cni/bin/loopback",
    ),
)
LINKS = (
    of_the_bridge(
        "cni0 keeps an address of an earlier network",
        f"{BRIDGE} && ip address add 172.29.9.1/24 dev cni0",
    ),
    of_the_bridge(
        "cni0 is no bridge",
        "ip link add cni0 type veth peer name far0 netns peer && ip link set cni0 up",
    ),
    of_the_bridge(
        "cni0 has no MAC of its own", "ip link add cni0 type bridge && ip link set cni0 up"
    ),
    of_the_bridge("cni0 is larger than the uplink", f"{BRIDGE} && ip link set cni0 mtu 9000"),
)
LEFTOVERS = (
    live(
        "an address leaked",
        "cni-leases-live",
        "mkdir -p /var/lib/cni/networks/pods && printf 'dead\\r\\neth0' > "
        "/var/lib/cni/networks/pods/10.244.1.2 && "
        "touch -d '2 hours ago' /var/lib/cni/networks/pods/10.244.1.2",
    ),
    live(
        "a result leaked in libcni's cache",
        "cni-leases-live",
        'mkdir -p /var/lib/cni/results && printf \'%s\' \'{"kind": "cniCacheV1", "containerId": '
        '"dead", "ifName": "eth0", "networkName": "pods", "netns": '
        '"/var/run/netns/gone"}\' > /var/lib/cni/results/pods-dead-eth0 && '
        "touch -d '2 hours ago' /var/lib/cni/results/pods-dead-eth0",
    ),
)


def saved(
    name: str,
    found: str,
    change: Callable[[Facts], Facts],
    *,
    network: str = "bridge",
    phase: Phase = Phase.BEFORE,
) -> SavedFault:
    cluster = Cluster(pod_subnets=(ip_network("10.244.0.0/16"),), cni=CniChoice(network))
    return SavedFault(
        name, frozenset({found}), change, phase=phase, settings=Settings(cluster=cluster)
    )


def pod_network(**changes: object) -> Callable[[Facts], Facts]:
    def change(facts: Facts) -> Facts:
        return replace(facts, cni=replace(known(facts.cni), **changes))  # type: ignore[arg-type]

    return change


def of_the_plugins(change: Callable[[Cni], Cni]) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, cni=change(known(facts.cni)))


def leaked_chains(facts: Facts) -> Facts:
    firewall = known_or(facts.firewall, Firewall((), (), "", {}))
    table = FilterTable("iptables-nft", "ip", "nat", 6, tuple(live_chains(("dead",), ("pods",))))
    return replace(facts, firewall=replace(firewall, tables=(*known(firewall.tables), table)))


SAVED = (
    saved(
        "plugins for ARM on x86",
        "cni-plugins-present",
        of_the_plugins(lambda value: changed_plugin(value, "bridge", machine="aarch64")),
    ),
    saved(
        "plugins for Flannel are missing",
        "cni-plugins-present",
        of_the_plugins(lambda value: changed_plugin(value, "bridge", path=None)),
        network="flannel",
    ),
    saved(
        "lease of a container from before the boot",
        "cni-leases-live",
        pod_network(leases=(IpamLease("pods", "10.244.1.2", "dead", 9e6, "/x/10.244.1.2"),)),
    ),
    saved("chains of a dead pod", "cni-leases-live", leaked_chains),
    saved(
        "Flannel's range of an earlier cluster",
        "cni-product-ready",
        pod_network(traces={"/run/flannel/subnet.env": "FLANNEL_NETWORK=10.99.0.0/16"}),
        network="flannel",
    ),
    saved(
        "Calico keeps another node's name",
        "cni-product-ready",
        pod_network(traces={"/var/lib/calico/nodename": "template"}),
        network="calico",
    ),
)
FAULTS: tuple[LiveFault | SavedFault, ...] = (
    *WINNER,
    *VALID,
    *PLUGINS,
    *LINKS,
    *LEFTOVERS,
    *SAVED,
)
