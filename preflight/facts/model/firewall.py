"""Which packet filters hold rules on this host, and what brings them back after a reboot."""

from __future__ import annotations

from preflight.facts.model.known import Known
from rules.record import record


@record
class FilterTable:
    """A table with rules. ``backend``: nft, iptables-nft, iptables-legacy, ip6tables-legacy.

    ``base_policies`` maps a base chain's name to its policy (``INPUT`` -> ``DROP``); ``chains``
    are all chain names, so that the owner can be told by them.
    """

    backend: str
    family: str
    name: str
    rules: int
    chains: tuple[str, ...] = ()
    base_policies: dict[str, str] | None = None


@record
class Firewall:
    """``managers`` maps firewalld, ufw, nftables, netfilter-persistent, iptables to
    ``active``, ``enabled``, ``active+enabled`` or empty. ``iptables_version`` is what ``-V``
    prints."""

    tables: Known[tuple[FilterTable, ...]]
    legacy_tables: Known[tuple[FilterTable, ...]]
    iptables_version: Known[str]
    managers: Known[dict[str, str]]
