"""The words of a pod network: a profile, its modes, what each needs and lays down. Pure values."""

from __future__ import annotations

from enum import Enum

from rules.flows import Flow
from rules.record import record


class Transport(str, Enum):
    """What pod packets look like between nodes.

    ``tunnel``: inside packets with the nodes' addresses. ``routed``: with the pods' own addresses,
    so each node's pod range needs a route (or a cloud's route table) and every firewall between
    must let pod addresses pass. ``link``: with the pods' own addresses and MACs on the node's
    link, as if they were machines on it. ``cloud``: with addresses that the cloud itself routes.
    """

    TUNNEL = "tunnel"
    ROUTED = "routed"
    LINK = "link"
    CLOUD = "cloud"

    def __str__(self) -> str:
        return self.value


@record
class Elsewhere:
    """A flow that belongs to the product and does not end on a node of the cluster."""

    label: str
    sender: str
    receiver: str
    why: str


@record
class Mode:
    """One way in which a product carries pod packets between nodes.

    ``overhead_v4`` and ``overhead_v6`` are the bytes that come off the link's MTU over an IPv4
    and an IPv6 underlay; None: it cannot be carried there. ``modules`` and ``kernel_options``
    (without CONFIG_, and only those that no module of the list carries) come on top of the
    profile's. ``replaces_proxy``: no kube-proxy runs in this mode. ``linux_bridge`` where this
    mode differs from the profile. ``source`` where it is not the profile's.
    """

    name: str
    title: str
    flows: tuple[Flow, ...] = ()
    overhead_v4: int | None = 0
    overhead_v6: int | None = 0
    transport: Transport = Transport.TUNNEL
    modules: tuple[str, ...] = ()
    kernel_options: tuple[str, ...] = ()
    replaces_proxy: bool = False
    linux_bridge: bool | None = None
    aliases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""

    def overhead(self, family: int) -> int | None:
        """Bytes off the link's MTU over an underlay of ``family`` (4 or 6); None: not possible."""
        return self.overhead_v4 if family == 4 else self.overhead_v6

    def pod_mtu(self, link_mtu: int, family: int = 4) -> int | None:
        """The MTU that pods get on a link of ``link_mtu`` bytes; None: not possible."""
        overhead = self.overhead(family)
        return None if overhead is None else link_mtu - overhead

    @property
    def shows_pod_addresses(self) -> bool:
        """Whether a firewall between nodes sees the pods' own addresses."""
        return self.transport is not Transport.TUNNEL


@record
class Profile:
    """A pod network product, or a plugin that makes one.

    ``modes`` are never empty; ``default_mode`` names one of them. ``linux_bridge``: pods hang on
    a kernel bridge of this host, so Services need br_netfilter and net.bridge.bridge-nf-call-*.
    ``rp_filter`` are the values of net.ipv4.conf.all.rp_filter that it can work with, empty: any.
    ``sysctls`` are (key, value). ``conf_files`` are the names it lays down in the runtime's conf
    directory, ``binaries`` those in the plugin directory, ``ipam`` who gives addresses, ``files``
    absolute paths that it keeps elsewhere, ``links`` the interfaces that tell its presence.
    ``ipv6``: can give pods IPv6. ``kube_proxy``: False where it serves Services in its place;
    ``conntrack``: its traffic passes the host's connection tracking. ``system``: linux or windows.
    """

    name: str
    title: str
    modes: tuple[Mode, ...]
    source: str
    default_mode: str = ""
    flows: tuple[Flow, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    linux_bridge: bool = False
    modules: tuple[str, ...] = ()
    kernel_options: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    rp_filter: tuple[int, ...] = ()
    conf_files: tuple[str, ...] = ()
    binaries: tuple[str, ...] = ()
    ipam: str = ""
    files: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    ipv6: bool = True
    kube_proxy: bool = True
    conntrack: bool = True
    system: str = "linux"
    notes: tuple[str, ...] = ()

    def mode(self, name: str) -> Mode | None:
        """The mode of that name or alias, the default for an empty one, None for an unknown."""
        wanted = name or self.default_mode or self.modes[0].name
        return next(
            (mode for mode in self.modes if wanted == mode.name or wanted in mode.aliases), None
        )

    def flows_in(self, mode: Mode) -> tuple[Flow, ...]:
        """The rows of every mode and those of this one."""
        return mode.flows + self.flows

    def modules_in(self, mode: Mode) -> tuple[str, ...]:
        """The kernel modules of every mode and those of this one."""
        return self.modules + mode.modules

    def options_in(self, mode: Mode) -> tuple[str, ...]:
        """The kernel options (without CONFIG_) of every mode and those of this one."""
        return self.kernel_options + mode.kernel_options

    def narrowed(self, mode: Mode) -> Profile:
        """The profile as it is in one of its modes."""
        if mode.linux_bridge is None or mode.linux_bridge == self.linux_bridge:
            return self
        return Profile(**{**vars(self), "linux_bridge": mode.linux_bridge})
