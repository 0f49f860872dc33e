"""What the network of this node is to be: flags, cluster file, plugins and uplink -> Wanted."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import ip_network

from preflight import config as configuration
from preflight.cni import compose
from preflight.cni.compose import Wanted
from preflight.cni.problem import ERROR, Context, Problem
from preflight.cni.spec import NetworkConfig, load
from preflight.settings import Settings
from rules.cluster import IPNetwork, Node
from rules.errors import ConfigError, UsageError
from rules.record import field, record


@record
class Flags:
    """The flags of `cni render` and `cni install`; an empty one was not given.

    ``node_name``: what the machine will be called by then, where somebody is about to name it.
    """

    plugin: str = ""
    ipam: str = ""
    pod_cidr: str = ""
    node_index: int = -1
    chain: str | None = None
    mtu: int = -1
    name: str = ""
    bridge: str = ""
    masquerade: str = ""
    master: str = ""
    vlan_id: int = 0
    mode: str = ""
    device: str = ""
    addresses: tuple[str, ...] = ()
    pod_sysctls: tuple[str, ...] = ()
    rate: int = 0
    cni_version: str = ""
    plugin_dirs: tuple[str, ...] = ()
    config: str = ""
    kubeadm_config: str = ""
    kubernetes_version: str = ""
    node_name: str = ""


@record
class Planned:
    """The configuration and what it was made of.

    ``node`` is this one in the cluster file, where it is there. ``problems`` are what the lint
    says of the text, ``missing`` the plugins that were not found in ``plugin_dirs``.
    """

    wanted: Wanted
    text: str
    settings: Settings
    node: Node | None
    plugin_dirs: tuple[str, ...]
    specs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    missing: tuple[str, ...] = ()
    runtime: str = ""
    newest: str = "1.1.0"

    @property
    def network(self) -> NetworkConfig:
        """The configuration as a runtime loads it."""
        return load(compose.FILE_NAME, self.text)


def make_plan(flags: Flags) -> Planned:
    """Raises UsageError or ConfigError for what is missing or contradicts itself."""
    settings = configuration.load(
        config=flags.config,
        kubeadm_config=flags.kubeadm_config,
        kubernetes_version=flags.kubernetes_version,
    )
    configuration.print_warnings(settings)
    node = this_node(settings, flags.node_name)
    wanted = _wanted(flags, settings, node)
    compose.refuse_useless(wanted)
    from preflight.cni.installed import asked, runtime_and_dirs

    runtime, newest, directories = runtime_and_dirs(settings)
    directories = flags.plugin_dirs or directories
    linux = not wanted.plugin.startswith("win-")
    kinds = compose.programs(wanted) if linux else ()
    specs, missing = asked(kinds, directories)
    wanted = replace(wanted, version=_version(flags, specs, newest))
    text = compose.text(compose.compose(wanted))
    problems = _lint(text, wanted, settings, node, specs, runtime, newest) if linux else ()
    return Planned(
        wanted, text, settings, node, directories, specs, problems, missing, runtime, newest
    )


def refuse_errors(planned: Planned) -> None:
    """Raises ConfigError with the first error of the lint: such a file is not laid down."""
    for problem in planned.problems:
        if problem.level == ERROR:
            raise ConfigError(
                compose.FILE_NAME, f"{problem.message}; {problem.remedy}", key=problem.place
            )


def this_node(settings: Settings, named: str = "") -> Node | None:
    """This machine in the cluster file: by the name given there, else ``named``, else its own."""
    name = settings.node_name or named or os.uname().nodename
    return next((node for node in settings.cluster.nodes if node.name == name), None)


def _wanted(flags: Flags, settings: Settings, node: Node | None) -> Wanted:
    cluster = settings.cluster
    said = cluster.cni.name if cluster.cni.name in compose.INTERFACES else ""
    plugin = flags.plugin or said or "bridge"
    chain = compose.DEFAULT_CHAIN if flags.chain is None else words(flags.chain)
    given = Wanted()
    mtu = flags.mtu if flags.mtu >= 0 else _uplink_mtu()
    return Wanted(
        plugin=plugin,
        ipam=flags.ipam or given.ipam,
        name=flags.name or given.name,
        subnets=_subnets(flags, settings, node),
        pod_subnets=cluster.pod_subnets,
        service_subnets=cluster.service_subnets,
        chain=chain,
        mtu=mtu,
        bridge=flags.bridge or given.bridge,
        masquerade=flags.masquerade or given.masquerade,
        master=flags.master,
        vlan_id=flags.vlan_id,
        mode=flags.mode or (cluster.cni.mode if said == plugin else ""),
        device=flags.device,
        addresses=flags.addresses,
        sysctls=tuple(_sysctl(word) for word in flags.pod_sysctls),
        rate=flags.rate,
    )


def words(text: str) -> tuple[str, ...]:
    """``a,b, c`` -> the words; ``none`` and an empty text are none."""
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    return () if found == ("none",) else found


def _sysctl(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise UsageError(f"--pod-sysctl takes NAME=VALUE, not {word!r}")
    return name, value


def _subnets(flags: Flags, settings: Settings, node: Node | None) -> tuple[IPNetwork, ...]:
    """The node's own ranges: the flag, else its place in the cluster's, else the cluster file."""
    if flags.pod_cidr:
        return tuple(_network(word) for word in words(flags.pod_cidr))
    if flags.node_index >= 0:
        return node_ranges(settings, flags.node_index)
    return node.pod_subnets if node is not None else ()


def _network(word: str) -> IPNetwork:
    try:
        return ip_network(word)
    except ValueError as error:
        raise UsageError(f"--pod-cidr {word}: {error}") from None


def node_ranges(settings: Settings, index: int) -> tuple[IPNetwork, ...]:
    """The ``index``-th range (from 0) of the cluster's, as kube-controller-manager cuts it. Raises
    UsageError where the cluster has no range, or none of that number."""
    found: list[IPNetwork] = []
    for subnet in settings.cluster.pod_subnets:
        bits = settings.node_subnet_bits[0 if subnet.version == 4 else 1]
        if bits < subnet.prefixlen:
            raise UsageError(f"{subnet} is smaller than the /{bits} that each node gets of it")
        if index >= 2 ** (bits - subnet.prefixlen):
            raise UsageError(f"{subnet} has no room for node {index}: it holds "
                             f"{2 ** (bits - subnet.prefixlen)} of /{bits}")  # fmt: skip
        start = int(subnet.network_address) + (index << (subnet.max_prefixlen - bits))
        found.append(ip_network((start, bits)))
    if not found:
        raise UsageError("--node-index needs the cluster's podSubnet: give --config")
    return tuple(found)


def _uplink_mtu() -> int:
    from preflight.cni.installed import uplink_mtu

    return uplink_mtu() or 0


def _version(flags: Flags, specs: dict[str, tuple[str, ...]], newest: str) -> str:
    if flags.cni_version:
        return flags.cni_version
    if not specs:
        return compose.USUAL_VERSION
    best = compose.best_version(tuple(specs.values()), newest)
    if not best:
        raise UsageError(
            f"the plugins have no cniVersion in common: "
            f"{', '.join(f'{kind} {max(said)}' for kind, said in specs.items() if said)}"
        )
    return best


def _lint(
    text: str,
    wanted: Wanted,
    settings: Settings,
    node: Node | None,
    specs: dict[str, tuple[str, ...]],
    runtime: str,
    newest: str,
) -> tuple[Problem, ...]:
    from preflight.cni.installed import uplink_mtu
    from preflight.cni.lint import lint

    cluster = settings.cluster
    context = Context(
        pod_subnets=cluster.pod_subnets,
        service_subnets=cluster.service_subnets,
        node_subnets=node.pod_subnets if node is not None else (),
        node_count=len(cluster.nodes),
        newest_spec=newest,
        runtime=runtime or "the runtime",
        plugin_specs=specs,
        uplink_mtu=uplink_mtu(),
        max_pods=0,
    )
    return tuple(lint(load(compose.FILE_NAME, text), context))
