"""The port matrix as pages: one role's in Markdown, and the whole of it in every format. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from preflight.report.ports import (
    LINK_MTU,
    TRANSPORTS,
    Listing,
    access,
    mtu_line,
    network,
    reason,
    row,
    sources,
)
from rules.cluster import Role
from rules.cnis import PROFILES, Mode, Profile, aliases
from rules.flows import Flow
from rules.ports import ROWS


def matrix_document() -> dict[str, Any]:
    """Every row and every network as plain values."""
    return {
        "schema_version": 1,
        "kind": "Ports",
        "role": None,
        "kubernetes_version": None,
        "cni": None,
        "families": [4, 6],
        "rows": [row(flow) for flow in (*ROWS, *network_rows(PROFILES.values()))],
        "networks": [network(profile, profile.modes) for profile in PROFILES.values()],
    }


def network_rows(profiles: Iterable[Profile]) -> list[Flow]:
    """Every row of these networks once, although several modes may have it."""
    found: dict[str, Flow] = {}
    for profile in profiles:
        for mode in profile.modes:
            for flow in profile.flows_in(mode):
                found.setdefault(flow.id, flow)
    return list(found.values())


def matrix_text() -> str:
    """Every row, a line each, with the roles and versions that have it."""
    flows = [*ROWS, *network_rows(PROFILES.values())]
    cells = [
        (flow.label, roles(flow.roles), versions(flow), sources(flow), flow.component)
        for flow in flows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    return "".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        + f"  {reason(flow)}\n"
        for line, flow in zip(cells, flows, strict=True)
    )


def roles(names: Iterable[Role]) -> str:
    """``all`` or the roles in the order in which a person meets them."""
    chosen = set(names)
    return "all" if chosen == set(Role) else ", ".join(r.value for r in Role if r in chosen)


def versions(flow: Flow) -> str:
    """``1.13-``, ``-1.18``, ``1.19-1.22``; empty where every known version has the row."""
    if flow.since is None and flow.until is None:
        return ""
    return f"{flow.since or ''}-{flow.until or ''}"


def markdown(listing: Listing) -> str:
    """The rows of one role."""
    policy, profile, mode = listing.policy, listing.profile, listing.mode
    lines = [
        f"# Ports of a {policy.role.value}",
        "",
        f"Kubernetes {listing.version}, pod network `{profile.name}/{mode.name}`.",
    ]
    for title, flows in (
        ("Open", policy.admitted),
        ("Forward to pods", policy.forwarded),
        ("Do not open: for this node only", policy.local),
        ("Only in some clusters", listing.optional),
    ):
        if flows:
            lines += ["", f"## {title}", "", *_role_table(flows)]
    if policy.role.runs_kubelet:
        lines += ["", f"## Pod network: {profile.title}", "", *_facts(profile, (mode,))]
    return "\n".join(lines) + "\n"


def _role_table(flows: Sequence[Flow]) -> list[str]:
    return _table(
        ("port or protocol", "from", "component", "why", "source"),
        [
            (flow.label, sources(flow), flow.component, reason(flow), _link(flow.source))
            for flow in flows
        ],
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"| {' | '.join('---' for _ in head)} |",
        *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows),
    ]


def _link(url: str) -> str:
    return f"[source]({url})"


_HEAD = f"""\
# Ports and protocols

Made from the program by `make docs`; `nodeprep ports --role ROLE` prints what one node needs, and
`nodeprep ports -o json` all of this as data ([schema](schemas/ports.schema.json)).

A row says who may send to whom, and why. *from* names groups: `nodes` are masters and workers,
`pods` the pod ranges, `self` is the node itself. A row from `self` must **not** be opened: its
port is only for programs of the node. `anywhere` stands for routers and neighbours. Rows with a
condition are optional: `nodeprep ports --all` lists them. *versions* are Kubernetes minors, both
ends included; empty means all.

MTU: *v4* and *v6* are the bytes that come off the link's MTU over an IPv4 and an IPv6 underlay,
*pods* what is left of {LINK_MTU}. Releases of a product differ in these numbers: where yours is
installed, what it sets counts.
"""


def matrix_markdown() -> str:
    """docs/ports.md."""
    groups = (
        ("Open to others", [flow for flow in ROWS if not flow.optional and access(flow) == "open"]),
        ("Forwarded to pods", [flow for flow in ROWS if access(flow) == "forward"]),
        (
            "For the node itself: do not open",
            [flow for flow in ROWS if not flow.optional and access(flow) == "local"],
        ),
        ("Only in some clusters", [flow for flow in ROWS if flow.optional]),
    )
    lines = [_HEAD, "## Kubernetes and the host"]
    for title, flows in groups:
        lines += ["", f"### {title}", "", *_matrix_table(flows)]
    lines += ["", "## Pod networks", "", *_overview()]
    for profile in PROFILES.values():
        lines += ["", f"### {profile.title} (`{profile.name}`)", "", *_network(profile)]
    return "\n".join(lines) + "\n"


def _matrix_table(flows: Iterable[Flow]) -> list[str]:
    return _table(
        ("port or protocol", "component", "from", "to", "versions", "why", ""),
        [
            (
                flow.label,
                flow.component,
                sources(flow),
                roles(flow.roles),
                versions(flow),
                reason(flow),
                _link(flow.source),
            )
            for flow in flows
        ],
    )


def _overview() -> list[str]:
    return _table(
        ("`--cni`", "between nodes", "v4", "v6", "pods"),
        [
            (
                f"`{profile.name}/{mode.name}`" + (" (default)" if _default(profile, mode) else ""),
                ", ".join(
                    flow.label
                    for flow in profile.flows_in(mode)
                    if not flow.optional and not flow.local
                )
                or "none",
                _bytes(mode.overhead_v4),
                _bytes(mode.overhead_v6),
                _bytes(mode.pod_mtu(LINK_MTU, 4)),
            )
            for profile in PROFILES.values()
            for mode in profile.modes
        ],
    )


def _default(profile: Profile, mode: Mode) -> bool:
    return len(profile.modes) > 1 and profile.mode("") is mode


def _bytes(number: int | None) -> str:
    return "no" if number is None else str(number)


def _network(profile: Profile) -> list[str]:
    lines = _facts(profile, profile.modes)
    if flows := network_rows([profile]):
        lines += ["", *_matrix_table(flows)]
    return lines


def _facts(profile: Profile, modes: Sequence[Mode]) -> list[str]:
    lines = [
        f"- `{mode.name}`: {mode.title}; packets go {TRANSPORTS[mode.transport.value]}; "
        f"{mtu_line(mode)}."
        + _listed(" Kernel modules:", profile.modules_in(mode))
        + "".join(f" {note}" for note in mode.notes)
        for mode in modes
    ]
    for title, names in (
        ("Other names", aliases(profile.name)),
        ("Kernel options", tuple(f"CONFIG_{name}" for name in profile.kernel_options)),
        ("Conf files", profile.conf_files),
        ("Plugins", profile.binaries),
        ("Keeps", profile.files),
        ("Interfaces", profile.links),
    ):
        if names:
            lines.append(f"- {title}:{_listed('', names)}")
    lines.append(
        f"- Addresses: {profile.ipam or 'not given by a plugin'}; "
        f"{'IPv4 and IPv6' if profile.ipv6 else 'IPv4 only'}."
        + (" Pods hang on a kernel bridge: br_netfilter." if profile.linux_bridge else "")
        + _rp_filter(profile)
    )
    lines += [
        f"- Elsewhere: {flow.label}, from {flow.sender} to {flow.receiver}: {flow.why}."
        for flow in profile.elsewhere
    ]
    lines += [f"- {note}" for note in profile.notes]
    return [*lines, f"- {_link(profile.source)}"]


def _listed(title: str, names: Iterable[str]) -> str:
    quoted = ", ".join(f"`{name}`" for name in names)
    return f"{title} {quoted}." if quoted else ""


def _rp_filter(profile: Profile) -> str:
    values = " or ".join(map(str, profile.rp_filter))
    return f" `net.ipv4.conf.all.rp_filter` must be {values}." if values else ""
