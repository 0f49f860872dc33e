"""Healthy firewall facts: Debian 12 with iptables-nft, no rules, no firewall manager."""

from __future__ import annotations

from preflight.facts.firewall import MANAGERS
from preflight.facts.model.firewall import FilterTable, Firewall


def table(
    backend: str, name: str = "filter", family: str = "ip", drop: str = "", **makers: int
) -> FilterTable:
    """A table whose rules come from ``makers`` (``hand``: made by hand); ``drop``: a chain whose
    policy is DROP."""
    if backend == "ip6tables-legacy":
        family = "ip6"
    if "hand" in makers:
        makers[""] = makers.pop("hand")
    policies = dict.fromkeys(("INPUT", "FORWARD", "OUTPUT"), "ACCEPT")
    if drop:
        policies[drop] = "DROP"
    return FilterTable(
        backend,
        family,
        name,
        rules=sum(makers.values()),
        chains=tuple(sorted(policies)),
        base_policies=policies,
        makers=makers,
    )


def firewall(
    *tables: FilterTable, ufw: bool | None = None, ufw_unit: str = "", **managers: str
) -> Firewall:
    """Facts with these tables; ``managers`` by name, ``_`` for ``-``; ``ufw``: its own switch."""
    legacy = tuple(each for each in tables if each.backend.endswith("-legacy"))
    return Firewall(
        tables=tuple(each for each in tables if each not in legacy),
        legacy_tables=legacy,
        iptables_version="iptables v1.8.9 (nf_tables)",
        managers={
            **dict.fromkeys(MANAGERS, ""),
            "ufw": ufw_unit,
            **{name.replace("_", "-"): state for name, state in managers.items()},
        },
        ufw_enabled=ufw,
        rulesets=(),
    )


def healthy() -> Firewall:
    return firewall()
