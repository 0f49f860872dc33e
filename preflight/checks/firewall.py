"""Packet filters that fight each other."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from preflight.checks.registry import Judgement, check, failed, passed, undetermined
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.firewall import FilterTable, Firewall
from preflight.target import Target

_FILE = "/root/iptables-legacy.rules"
_PREFIXES = {"iptables-legacy": "iptables", "ip6tables-legacy": "ip6tables"}


@check(
    "firewall-single-backend",
    title="Rules are in one packet filter only",
    why="The kernel asks both nf_tables and the legacy tables of iptables about every packet, and "
    "each tool shows only its own: what one accepts the other still drops, and kube-proxy's or "
    "the pod network's rules end up where nobody looks.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/",
    applies="Tables without rules whose policies accept do not count.",
)
def firewall_single_backend(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement."""
    firewall = known(facts.firewall)
    modern, legacy = (_acting(fact) for fact in (firewall.tables, firewall.legacy_tables))
    if isinstance(modern, list) and isinstance(legacy, list) and modern and legacy:
        yield _both(firewall, modern, legacy)
    elif modern == [] or legacy == []:
        # One of the two is empty: that is enough, whatever the other holds.
        used = next((each for each in (modern, legacy) if each), [])
        empty = "nf_tables" if modern == [] else "the legacy tables"
        yield passed(
            f"{empty} hold no rules, so there is one packet filter at most"
            if isinstance(used, Unknown)
            else f"one packet filter is in use: {_names(used)}"
            if used
            else "no packet filter holds rules"
        )
    else:
        unknown = next(each for each in (modern, legacy) if isinstance(each, Unknown))
        denied = unknown.reason == "denied"
        yield undetermined(unknown.message, remedy="run nodeprep as root" if denied else "")


def _acting(tables: Unknown | tuple[FilterTable, ...]) -> Unknown | list[FilterTable]:
    return tables if isinstance(tables, Unknown) else [each for each in tables if each.acts]


def _names(tables: Iterable[FilterTable]) -> str:
    return ", ".join(each.label for each in tables)


def _both(firewall: Firewall, modern: list[FilterTable], legacy: list[FilterTable]) -> Judgement:
    return failed(
        f"both packet filters hold rules: {_names(legacy)} and {_names(modern)}",
        observed=f"{_count(legacy)} legacy, {_count(modern)} nf_tables",
        expected="rules in one of them",
        remedy=_move(firewall, legacy),
    )


def _count(tables: Iterable[FilterTable]) -> int:
    return sum(each.rules for each in tables)


def _move(firewall: Firewall, legacy: list[FilterTable]) -> str:
    """Legacy rules into nf_tables, then the legacy tables emptied, policies first."""
    commands = []
    if isinstance(firewall.iptables_version, str) and "legacy" in firewall.iptables_version:
        # Or the next program that uses iptables puts its rules there again.
        commands += [
            f"update-alternatives --set {prefix} /usr/sbin/{prefix}-nft"
            for prefix in _PREFIXES.values()
        ]
    for backend, prefix in _PREFIXES.items():
        tables = [each for each in legacy if each.backend == backend]
        if not tables:
            continue
        file = _FILE if prefix == "iptables" else _FILE.replace("iptables", "ip6tables")
        commands.append(f"{prefix}-legacy-save > {file}")
        commands.append(f"{prefix}-nft-restore --noflush < {file}")
        for table in tables:
            program = f"{prefix}-legacy -t {shlex.quote(table.name)}"
            commands += [f"{program} -P {shlex.quote(chain)} ACCEPT" for chain in table.dropping]
            commands += [f"{program} -F", f"{program} -X"]
    return " && ".join(commands)
