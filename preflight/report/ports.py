"""What `nodeprep ports --role R` prints: rows, the pod network and its MTU. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from preflight.report.plain import fold
from rules import cnis
from rules.cnis import Mode, Profile
from rules.flows import Flow
from rules.policy import Policy
from rules.record import record
from rules.version import Version

# The link whose pod MTU is shown as an example: Ethernet's default.
LINK_MTU = 1500
# A column of reasons narrower than this is not worth reading.
_NARROWEST = 40


@record
class Listing:
    """The rows of one role. ``optional`` is empty unless they were asked for."""

    policy: Policy
    version: Version
    version_source: str
    profile: Profile
    mode: Mode
    optional: tuple[Flow, ...] = ()


def document(listing: Listing) -> dict[str, Any]:
    """The listing as plain values; docs/schemas/ports.schema.json describes it."""
    policy, mode = listing.policy, listing.mode
    return {
        "schema_version": 1,
        "kind": "Ports",
        "role": policy.role.value,
        "kubernetes_version": str(listing.version),
        "cni": {"name": listing.profile.name, "mode": mode.name},
        "families": list(policy.cluster.families),
        "rows": [row(flow) for flow in (*policy.flows, *listing.optional)],
        "networks": [network(listing.profile, (mode,))] if policy.role.runs_kubelet else [],
    }


def row(flow: Flow) -> dict[str, Any]:
    """One row of the matrix as plain values."""
    return {
        "id": flow.id,
        "component": flow.component,
        "protocol": flow.protocol.value,
        "protocol_number": flow.protocol.number,
        "ports": None if flow.ports is None else list(flow.ports),
        "icmp_types": list(flow.icmp_types),
        "access": access(flow),
        "sources": sorted(group.value for group in flow.sources),
        "roles": sorted(role.value for role in flow.roles),
        "families": sorted(flow.families),
        "since": None if flow.since is None else str(flow.since),
        "until": None if flow.until is None else str(flow.until),
        "process": flow.process,
        "binds": flow.binds,
        "bind": flow.bind.value if flow.binds else None,
        "optional": flow.optional,
        "when": flow.when,
        "why": flow.why,
        "source": flow.source,
    }


def access(flow: Flow) -> str:
    """``open`` to others, ``forward`` to pods, or ``local``: never to be opened."""
    if flow.to_pods:
        return "forward"
    return "local" if flow.local else "open"


def network(profile: Profile, modes: Iterable[Mode]) -> dict[str, Any]:
    """A pod network with some of its modes as plain values."""
    return {
        "name": profile.name,
        "title": profile.title,
        "aliases": list(cnis.aliases(profile.name)),
        "default_mode": profile.default_mode or profile.modes[0].name,
        "system": profile.system,
        "linux_bridge": profile.linux_bridge,
        "ipv6": profile.ipv6,
        "kube_proxy": profile.kube_proxy,
        "conntrack": profile.conntrack,
        "rp_filter": list(profile.rp_filter),
        "sysctls": dict(profile.sysctls),
        "ipam": profile.ipam,
        "conf_files": list(profile.conf_files),
        "binaries": list(profile.binaries),
        "files": list(profile.files),
        "links": list(profile.links),
        "elsewhere": [vars(flow).copy() for flow in profile.elsewhere],
        "notes": list(profile.notes),
        "source": profile.source,
        "modes": [_mode(profile, mode) for mode in modes],
    }


def _mode(profile: Profile, mode: Mode) -> dict[str, Any]:
    return {
        "name": mode.name,
        "title": mode.title,
        "aliases": list(mode.aliases),
        "transport": mode.transport.value,
        "mtu": {
            "overhead_v4": mode.overhead_v4,
            "overhead_v6": mode.overhead_v6,
            "link": LINK_MTU,
            "pod_v4": mode.pod_mtu(LINK_MTU, 4),
            "pod_v6": mode.pod_mtu(LINK_MTU, 6),
        },
        "linux_bridge": profile.narrowed(mode).linux_bridge,
        "replaces_proxy": mode.replaces_proxy,
        "modules": list(profile.modules_in(mode)),
        "kernel_options": list(profile.options_in(mode)),
        "rows": [flow.id for flow in profile.flows_in(mode)],
        "notes": list(mode.notes),
        "source": mode.source or profile.source,
    }


TRANSPORTS = {
    "tunnel": "inside packets with the nodes' addresses",
    "routed": "with their own addresses, routed",
    "link": "with their own addresses and MACs, on the nodes' link",
    "cloud": "with addresses that the cloud routes",
}


def mtu_line(mode: Mode) -> str:
    """``50 bytes off over IPv4 (pods get 1450 on a link of 1500), 70 over IPv6 (1430)``."""
    parts = []
    for family in (4, 6):
        overhead, left = mode.overhead(family), mode.pod_mtu(LINK_MTU, family)
        if overhead is None:
            parts.append(f"not possible over IPv{family}")
        else:
            parts.append(f"{overhead} bytes off over IPv{family} (pods get {left})")
    return f"on a link of {LINK_MTU}: {', '.join(parts)}"


def text(listing: Listing, *, width: int = 0) -> str:
    """The listing for a person; ``width`` in columns, 0 where lines may be of any length."""
    policy = listing.policy
    families = " and ".join(f"IPv{family}" for family in policy.cluster.families)
    lines = [
        f"{policy.role.value}, Kubernetes {listing.version} ({listing.version_source}), "
        f"pod network {listing.profile.name}/{listing.mode.name}, {families}"
    ]
    sections = (
        ("Open", policy.admitted),
        ("Forward to pods", policy.forwarded),
        ("Do not open: for this node only", policy.local),
        ("Only in some clusters", listing.optional),
    )
    widths = _widths([flow for _, flows in sections for flow in flows])
    for title, flows in sections:
        if flows:
            lines += ["", title, *_table(flows, widths, width)]
    if not listing.optional and policy.optional:
        lines += ["", f"{len(policy.optional)} more that only some clusters need: --all"]
    if policy.role.runs_kubelet:
        lines += ["", *_network_lines(listing.profile, listing.mode, width)]
    return "\n".join(lines) + "\n"


def sources(flow: Flow) -> str:
    """The source groups in words, in the order in which the enum declares them."""
    return ", ".join(
        group.value for group in type(next(iter(flow.sources))) if group in flow.sources
    )


def _origin(flow: Flow) -> str:
    if flow.local:
        return "loopback" if flow.loopback_only else f"this node ({flow.bind.value} address)"
    return sources(flow)


def reason(flow: Flow) -> str:
    """Why the row is there, and when an optional one is needed."""
    return f"{flow.why} (when {flow.when})" if flow.when else flow.why


def _widths(flows: list[Flow]) -> tuple[int, int, int]:
    return (
        max(len(flow.label) for flow in flows),
        max(len(_origin(flow)) for flow in flows),
        max(len(flow.component) for flow in flows),
    )


def _table(flows: Iterable[Flow], widths: tuple[int, int, int], width: int) -> list[str]:
    first, second, third = widths
    indent = " " * (2 + first + 2 + second + 2 + third + 2)
    room = width - len(indent)
    if width and room < _NARROWEST:
        return [line for flow in flows for line in _two_lines(flow, first, width)]
    return [
        f"  {flow.label:{first}}  {_origin(flow):{second}}  {flow.component:{third}}  "
        f"{fold(reason(flow), room if width else 0, indent)}"
        for flow in flows
    ]


def _two_lines(flow: Flow, label_width: int, width: int) -> tuple[str, str]:
    """Where there is no room for a fourth column, the reason goes on a line of its own."""
    indent = " " * (label_width + 4)
    origin = fold(_origin(flow), width - len(indent), indent)
    why = fold(f"{flow.component}: {reason(flow)}", width - 6, " " * 6)
    return f"  {flow.label:{label_width}}  {origin}", f"      {why}"


def _network_lines(profile: Profile, mode: Mode, width: int) -> list[str]:
    rows = [
        ("packets", f"{mode.title}; {TRANSPORTS[mode.transport.value]}"),
        ("MTU", mtu_line(mode)),
        ("kernel", ", ".join([*profile.modules_in(mode), *_configured(profile, mode)])),
        *(
            ("also", f"{flow.label}, from {flow.sender} to {flow.receiver}: {flow.why}")
            for flow in profile.elsewhere
        ),
        *(("note", note) for note in (*mode.notes, *profile.notes)),
        ("source", mode.source or profile.source),
    ]
    indent = " " * 11
    room = width - len(indent) if width else 0
    return [
        f"Pod network: {profile.title}",
        *(f"  {key:7}  {fold(value, room, indent)}" for key, value in rows if value),
    ]


def _configured(profile: Profile, mode: Mode) -> list[str]:
    return [f"CONFIG_{name}" for name in profile.options_in(mode)]
