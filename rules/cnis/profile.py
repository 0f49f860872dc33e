"""The words of a pod network: a profile, its modes, what each needs and lays down. Pure values."""

from __future__ import annotations

from rules.flows import Flow
from rules.record import record


@record
class Mode:
    """One way in which a product carries pod packets between nodes.

    ``overhead_v4`` and ``overhead_v6`` are the bytes that the product takes off the link's MTU
    over an IPv4 and an IPv6 underlay; None: it cannot be carried there. ``routed``: packets cross
    the wire with the pods' own addresses, so routes (or a cloud route table) must lead to each
    node's pod range and every firewall between must let pod addresses pass. ``modules`` and
    ``kernel_options`` (without CONFIG_) come on top of the profile's. ``replaces_proxy``: no
    kube-proxy runs in this mode. ``rp_filter`` where it differs from the profile's.
    """

    name: str
    title: str
    flows: tuple[Flow, ...] = ()
    overhead_v4: int | None = 0
    overhead_v6: int | None = 0
    routed: bool = False
    modules: tuple[str, ...] = ()
    kernel_options: tuple[str, ...] = ()
    rp_filter: int | None = None
    replaces_proxy: bool = False
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


@record
class Profile:
    """A pod network product, or a plugin that makes one.

    ``modes`` are never empty; ``default_mode`` names one of them. ``linux_bridge``: pods hang on
    a kernel bridge of this host, so Services need br_netfilter and net.bridge.bridge-nf-call-*.
    ``rp_filter`` is the value of net.ipv4.conf.*.rp_filter that it wants, None: any. ``sysctls``
    are (key, value). ``conf_files`` are the names it lays down in the runtime's conf directory,
    ``binaries`` those in the plugin directory, ``ipam`` who gives addresses, ``files`` absolute
    paths that it keeps elsewhere, ``links`` the interfaces that tell its presence. ``ipv6``: can
    give pods IPv6. ``kube_proxy``: needs it (or something that takes its place) for Services;
    ``conntrack``: its traffic passes the host's connection tracking. ``system``: linux or windows.
    """

    name: str
    title: str
    modes: tuple[Mode, ...]
    source: str
    default_mode: str = ""
    aliases: tuple[str, ...] = ()
    flows: tuple[Flow, ...] = ()
    linux_bridge: bool = False
    modules: tuple[str, ...] = ()
    kernel_options: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    rp_filter: int | None = None
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
        return self.flows + mode.flows

    def modules_in(self, mode: Mode) -> tuple[str, ...]:
        """The kernel modules of every mode and those of this one."""
        return self.modules + mode.modules

    def options_in(self, mode: Mode) -> tuple[str, ...]:
        """The kernel options (without CONFIG_) of every mode and those of this one."""
        return self.kernel_options + mode.kernel_options

    def rp_filter_in(self, mode: Mode) -> int | None:
        """The rp_filter value that it wants in this mode, None: any will do."""
        return self.rp_filter if mode.rp_filter is None else mode.rp_filter
