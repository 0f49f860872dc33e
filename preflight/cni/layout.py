"""Everything that the pod network needs on this node, in the order in which it is laid down.

The network configuration comes last: it is the switch by which a runtime calls the node ready.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from ipaddress import ip_network

from preflight.cni import nftrule
from preflight.cni.compose import FILE_NAME, SINGLE_NAME, single
from preflight.cni.compose import text as compose_text
from preflight.cni.forwarding import Doors
from preflight.cni.journal import Item
from preflight.cni.kinds import bridge_state, file_state, link_state, nft_state
from preflight.cni.owners import wanted_state as owner_state
from preflight.cni.plan import Planned
from rules.backend.iptables import program
from rules.cluster import IPNetwork
from rules.lifecycle.persist import quoted, systemd_runs
from rules.record import field, record
from rules.render.templating import fill
from rules.run import BOOT_PATH

TABLE = "nodeprep_pods"
UNIT = "nodeprep-pods.service"
UNIT_PATH = f"/etc/systemd/system/{UNIT}"
UNIT_LINK = f"/etc/systemd/system/multi-user.target.wants/{UNIT}"
SYSCTL_PATH = "/etc/sysctl.d/99-nodeprep-pods.conf"
MODULES_PATH = "/etc/modules-load.d/nodeprep-pods.conf"
NETWORK_MANAGER_PATH = "/etc/NetworkManager/conf.d/nodeprep-pods.conf"
NOTE = nftrule.NOTE
_EXECUTABLE, _PLAIN = 0o755, 0o644
# CIS Kubernetes Benchmark 1.1.9: 600 or stricter, owned by root.
_CONF_MODE = 0o600
_FAMILIES = {4: "ip", 6: "ip6"}
_MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}


@record
class Place:
    """Where the runtime looks: the first of ``plugin_dirs`` is where plugins are laid down.

    ``reads_lists``: false for rkt, which knows single plugins only.
    """

    conf_dir: str
    plugin_dirs: tuple[str, ...]
    reads_lists: bool = True

    @property
    def conf_path(self) -> str:
        """The file that is published last."""
        name = FILE_NAME if self.reads_lists else SINGLE_NAME
        return os.path.join(self.conf_dir, name)


@record
class Extras:
    """What was found out about the host and is laid down beside the configuration.

    ``plugins``: name -> bytes out of an archive. ``links``: name -> path of a plugin that is
    elsewhere on this host. ``displaced``: path -> (bytes, mode) of configuration files that would
    win. ``modules`` that are needed and are not built in. ``routes``: (range, ``via A dev L``).
    ``doors``: whom to tell that pods may pass, and who masquerades. ``boot_dir``: for our script.
    ``route_files``: path -> (text, mode) of whoever sets the routes at boot in our place.
    """

    plugins: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    displaced: dict[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    doors: Doors = field(default_factory=Doors)
    boot_dir: str = "/var/lib/nodeprep/cni/boot"
    network_manager: bool = False
    route_files: dict[str, tuple[str, int]] = field(default_factory=dict)


def make_items(planned: Planned, place: Place, extras: Extras) -> list[Item]:
    """Every item. Reads nothing but what nft makes of its own text, in a scratch network."""
    wanted = planned.wanted
    on_host = wanted.plugin in ("bridge", "ptp")
    items = _plugins(place, extras)
    items += _modules(planned, extras)
    if on_host:
        items += _sysctls(planned)
    if extras.network_manager and wanted.plugin == "bridge":
        items += _file(
            NETWORK_MANAGER_PATH, fill("cni/networkmanager.conf.j2", bridge=wanted.bridge)
        )
    bridge = _bridge(planned)
    if bridge:
        items.append(Item("bridge", wanted.bridge, bridge))
    tables = masquerade_texts(planned) if wanted.masquerade == "node" and on_host else {}
    doors = extras.doors
    by_nft = doors.masquerading == "native"
    if by_nft:
        items += [
            Item("nft", f"{family} {TABLE}", nft_state(f"{family} {TABLE}", text))
            for family, text in tables.items()
        ]
    rules = [] if by_nft or not tables else masquerade_rules(planned, doors.masquerading)
    rules += [rule for name in doors.programs for rule in accept_rules(name, planned)]
    items += [Item("rule", rule, "present") for rule in rules]
    items += [
        Item("owner", name, owner_state(name, planned.wanted.subnets)) for name in doors.owners
    ]
    nft_rules = [rule for chain in doors.chains for rule in accept_nft_rules(chain, planned)]
    items += [Item("nft-rule", rule, "present") for rule in nft_rules]
    items += [Item("route", destination, way) for destination, way in extras.routes]
    for path, (text, mode) in extras.route_files.items():
        items += _file(path, text, mode)
    items += _boot(planned, extras, tables if by_nft else {}, (rules, nft_rules), bridge)
    for path, state in extras.displaced.items():
        items += [Item("file", f"{path}.nodeprep-displaced", state), Item("file", path, None)]
    text = planned.text if place.reads_lists else compose_text(single(json.loads(planned.text)))
    conf = _file(place.conf_path, text, _CONF_MODE)
    # The state directory is made with the journal, and goes with it.
    own = [item for item in [*items, *conf] if not _holds(item, extras.boot_dir)]
    return _once(own)


def _holds(item: Item, path: str) -> bool:
    return item.kind == "directory" and f"{path}/".startswith(f"{item.name}/")


def _file(path: str, text: str, mode: int = _PLAIN) -> list[Item]:
    return [*_directories(os.path.dirname(path)),
            Item("file", path, file_state(text.encode(), mode))]  # fmt: skip


def _directories(path: str) -> list[Item]:
    """The directories on the way to ``path`` that are not there, from the top down."""
    missing = []
    while path not in ("", "/") and not os.path.isdir(path):
        missing.append(Item("directory", path, "directory"))
        path = os.path.dirname(path)
    return missing[::-1]


def _plugins(place: Place, extras: Extras) -> list[Item]:
    directory = place.plugin_dirs[0]
    states = {
        **{name: file_state(data, _EXECUTABLE) for name, data in extras.plugins.items()},
        **{name: link_state(path) for name, path in extras.links.items()},
    }
    items = _directories(directory) if states else []
    paths = ((os.path.join(directory, name), state) for name, state in sorted(states.items()))
    return items + [Item("file", path, state) for path, state in paths]


def needed_modules(planned: Planned) -> tuple[str, ...]:
    """What the kind of network needs (rules/cnis/reference.py)."""
    from rules.cluster import CniChoice
    from rules.cnis import find

    profile, mode = find(CniChoice(planned.wanted.plugin, planned.wanted.mode))
    return profile.modules_in(mode)


def _modules(planned: Planned, extras: Extras) -> list[Item]:
    if not extras.modules:
        return []
    text = fill("cni/modules.conf.j2", modules=needed_modules(planned))
    loads = [Item("module", name, "loaded") for name in extras.modules]
    return [*_file(MODULES_PATH, text), *loads]


def sysctls(planned: Planned) -> tuple[tuple[str, str], ...]:
    """Forwarding of the families in use, and bridged packets for Services of the same node."""
    families = {subnet.version for subnet in planned.wanted.subnets} or {4}
    found = []
    if 4 in families:
        found.append(("net.ipv4.ip_forward", "1"))
    if 6 in families:
        found.append(("net.ipv6.conf.all.forwarding", "1"))
    if planned.wanted.plugin == "bridge":
        found.append(("net.bridge.bridge-nf-call-iptables", "1"))
        if 6 in families:
            found.append(("net.bridge.bridge-nf-call-ip6tables", "1"))
    return tuple(found)


def _sysctls(planned: Planned) -> list[Item]:
    wanted = sysctls(planned)
    items = _file(SYSCTL_PATH, fill("cni/sysctl.conf.j2", sysctls=wanted))
    paths = ((name.replace(".", "/"), value) for name, value in wanted)
    return items + [Item("sysctl", path, value) for path, value in paths]


def bridge_mac(subnets: Sequence[IPNetwork]) -> str:
    """A MAC that only this node's bridge has: kubenet's 0a:58 and the gateway's four bytes.

    Without IPv4 four bytes of the gateway's SHA-256: its own last four are alike on all nodes.
    """
    four = next((subnet for subnet in subnets if subnet.version == 4), None)
    digest = sha256(str(subnets[0][1]).encode()).digest()
    tail = four[1].packed if four is not None else digest[:4]
    return ":".join(f"{byte:02x}" for byte in b"\x0a\x58" + tail)


def _bridge(planned: Planned) -> str:
    """The state of the bridge; empty where none is made beforehand."""
    wanted = planned.wanted
    if wanted.plugin != "bridge" or wanted.ipam != "host-local" or not wanted.subnets:
        return ""
    addresses = tuple(f"{subnet[1]}/{subnet.prefixlen}" for subnet in wanted.subnets)
    return bridge_state(bridge_mac(wanted.subnets), wanted.mtu, addresses)


def masquerade_texts(planned: Planned) -> dict[str, str]:
    """nft family -> the table that masquerades what leaves the cluster."""
    return {
        _FAMILIES[subnet.version]: fill(
            "cni/masquerade.nft.j2",
            family=_FAMILIES[subnet.version],
            table=TABLE,
            subnets=[subnet],
            spared=_spared(planned, subnet),
        )
        for subnet in planned.wanted.subnets
    }


def _spared(planned: Planned, subnet: IPNetwork) -> list[str]:
    """Where packets of pods keep their source: all pods of the cluster, and multicast."""
    ranges = [one for one in planned.wanted.pod_subnets if one.version == subnet.version]
    covered = any(subnet.subnet_of(one) for one in ranges)  # type: ignore[arg-type]
    return [*map(str, ranges if covered else [*ranges, subnet]), _MULTICAST[subnet.version]]


def masquerade_rules(planned: Planned, flavour: str) -> list[str]:
    """The same by iptables-nft or -legacy (``flavour``). The last one is put in first."""
    rules = []
    for subnet in planned.wanted.subnets:
        head = f"{program(flavour, subnet.version)} nat POSTROUTING -s {subnet}"
        note = f"-m comment --comment {NOTE}"
        rules.append(f"{head} {note} -j MASQUERADE")
        rules += [f"{head} -d {spared} {note} -j RETURN" for spared in _spared(planned, subnet)]
    return rules


def accept_rules(name: str, planned: Planned) -> list[str]:
    """What lets pods through a FORWARD chain that drops: an own table could not (design, 4.1)."""
    family = 6 if name.startswith("ip6") else 4
    subnets = [one for one in planned.wanted.subnets if one.version == family]
    note = f"-m comment --comment {NOTE}"
    return [
        f"{name} filter FORWARD {way} {subnet} {note} -j ACCEPT"
        for subnet in subnets
        for way in ("-s", "-d")
    ]


def accept_nft_rules(chain: tuple[str, str, str, int], planned: Planned) -> list[str]:
    """The same in a chain of nft that somebody else made."""
    *place, family = chain
    subnets = [one for one in planned.wanted.subnets if one.version == family]
    return [
        f"{' '.join(map(str, place))} {_FAMILIES[int(family)]} {side} {subnet}"
        for subnet in subnets
        for side in ("saddr", "daddr")
    ]


def _boot(
    planned: Planned,
    extras: Extras,
    tables: dict[str, str],
    rules: tuple[Sequence[str], Sequence[str]],
    bridge: str,
) -> list[Item]:
    """What a reboot would take away: a script of ours, and a unit that runs it.

    ``rules`` are those of iptables and those in others' chains of nft.
    """
    routes = () if extras.route_files else extras.routes
    if not (tables or any(rules) or bridge or routes):
        return []
    items: list[Item] = []
    nft_files = []
    for family, text in tables.items():
        path = f"{extras.boot_dir}/{family}.nft"
        clear = f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n"
        nft_files.append(path)
        items += _file(path, clear + text)
    said = json.loads(bridge) if bridge else {}
    script = fill(
        "cni/boot.sh.j2",
        path=BOOT_PATH,
        bridge={"name": planned.wanted.bridge, **said} if said else None,
        nft_files=nft_files,
        rules=[rule.split(" ", 3) for rule in rules[0]],
        nft_rules=[tuple(" ".join(part) for part in nftrule.parts(rule)) for rule in rules[1]],
        note=NOTE,
        routes=routes,
    )
    path = f"{extras.boot_dir}/boot.sh"
    items += _file(path, script, _EXECUTABLE)
    if systemd_runs() or os.path.isdir("/run/systemd/system"):
        unit = fill(
            "cni/nodeprep-pods.service.j2", script=quoted(path), directory=quoted(extras.boot_dir)
        )
        items += _file(UNIT_PATH, unit)
        items += [*_directories(os.path.dirname(UNIT_LINK)),
                  Item("file", UNIT_LINK, link_state(UNIT_PATH))]  # fmt: skip
    return items


def _once(items: Iterable[Item]) -> list[Item]:
    """Each thing once: several files share their directories."""
    return list({(item.kind, item.name): item for item in items}.values())


def other_ranges(planned: Planned) -> list[tuple[str, IPNetwork, tuple[str, ...]]]:
    """(node, pod range, its addresses) of the other nodes of the cluster file."""
    own = planned.node.name if planned.node is not None else None
    return [
        (node.name, ip_network(subnet), tuple(map(str, node.addresses)))
        for node in planned.settings.cluster.nodes
        if node.name != own and node.role.runs_kubelet
        for subnet in node.pod_subnets
        if subnet not in planned.wanted.subnets
    ]
