"""Who holds the packet filter's drop policy, and what a reload of it does to the others' rules."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.registry import WARNING, Judgement, check, failed, passed, undetermined
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.firewall import FilterTable, Firewall
from preflight.target import Target
from preflight.versions.filtermakers import FIREWALLD_CHAINS

# Their stop, restart or reload takes away rules that are not theirs.
_WIPES = {
    "nftables": (
        "a stop or restart of nftables.service flushes every table, kube-proxy's and the pod "
        "network's too",
        "keep its rules in a table of their own, take `flush ruleset` out of /etc/nftables.conf "
        "and ExecStop out of the unit (systemctl edit nftables), and reload instead of restarting",
    ),
    "netfilter-persistent": (
        "a restart of netfilter-persistent loads its saved tables whole, without the rules of "
        "kube-proxy and the pod network that came after",
        "systemctl disable netfilter-persistent",
    ),
    "iptables": (
        "a restart of iptables.service loads its saved tables whole, without the rules of "
        "kube-proxy and the pod network that came after",
        "systemctl disable iptables",
    ),
    "ip6tables": (
        "a restart of ip6tables.service loads its saved tables whole, without the rules of "
        "kube-proxy and the pod network that came after",
        "systemctl disable ip6tables",
    ),
}


@check(
    "firewall-owner",
    title="The packet filter's owner leaves others' rules alone",
    why="kube-proxy and the pod network write rules beside those of the host's firewall. A "
    "firewall that flushes everything at its reload takes them away, and the pods are cut off.",
    source="https://github.com/kubernetes/kubernetes/blob/master/cmd/kubeadm/app/preflight/checks.go",
    severity=WARNING,
    aliases=("Firewalld",),
)
def firewall_owner(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each owner that may wipe others' rules, or one for all."""
    firewall = known(facts.firewall)
    tables = _tables(firewall)
    if isinstance(tables, Unknown):
        yield undetermined(
            tables.message, remedy="run nodeprep as root" if tables.reason == "denied" else ""
        )
        return
    droppers = _droppers(tables)
    if isinstance(firewall.managers, Unknown):
        if droppers:
            yield undetermined(
                f"{droppers}; whose it is cannot be told: {firewall.managers.message}"
            )
        else:
            yield passed("nobody drops packets by default")
        return
    active = [name for name, state in firewall.managers.items() if "active" in state.split("+")]
    wiping = [name for name in active if name in _WIPES]
    for name in wiping:
        what, remedy = _WIPES[name]
        yield failed(what, subject=name, observed="active", remedy=remedy)
    if "firewalld" in active and _with_iptables(tables):
        yield failed(
            "firewalld runs with its iptables backend: its reload takes away the rules of "
            "kube-proxy and the pod network",
            subject="firewalld",
            observed="active",
            remedy="set FirewallBackend=nftables in /etc/firewalld/firewalld.conf, then restart "
            "firewalld",
        )
    elif not wiping:
        owner = next((name for name in ("firewalld", "ufw") if name in active), "")
        if owner:
            yield passed(
                f"{owner} owns the packet filter, and its reload touches its own rules only"
            )
        else:
            yield passed(droppers or "nobody drops packets by default")


def _tables(firewall: Firewall) -> tuple[FilterTable, ...] | Unknown:
    if isinstance(firewall.tables, Unknown):
        return firewall.tables
    if isinstance(firewall.legacy_tables, Unknown):
        return firewall.legacy_tables
    return (*firewall.tables, *firewall.legacy_tables)


def _droppers(tables: tuple[FilterTable, ...]) -> str:
    found = [f"chain {chain} of {table.label}" for table in tables for chain in table.dropping]
    return f"{', '.join(found)} drops by default" if found else ""


def _with_iptables(tables: tuple[FilterTable, ...]) -> bool:
    """Whether firewalld's chains are in the tables of iptables."""
    return any(
        "iptables" in table.backend and FIREWALLD_CHAINS.intersection(table.chains)
        for table in tables
    )
