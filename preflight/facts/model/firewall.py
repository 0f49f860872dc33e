"""Which packet filters hold rules on this host, and what brings them back after a reboot."""

from __future__ import annotations

from preflight.facts.model.known import Known, Unknown
from rules.record import field, record


@record
class FilterTable:
    """A table of a packet filter. ``backend``: nft, iptables-nft, iptables-legacy or
    ip6tables-legacy.

    ``family``: ip, ip6, inet, ... ``rules`` are those of its base chains: without one, nothing in
    the table acts. ``makers`` maps who makes them (``preflight.versions.filtermakers``) to how many
    they are; the name is empty for those of nobody known, made by hand. ``base_policies`` maps a
    base chain's name to its policy (``INPUT`` -> ``DROP``); ``chains`` are all chain names.
    """

    backend: str
    family: str
    name: str
    rules: int
    chains: tuple[str, ...] = ()
    base_policies: dict[str, str] | None = None
    makers: dict[str, int] = field(default_factory=dict)

    @property
    def dropping(self) -> tuple[str, ...]:
        """The base chains that drop what none of their rules accepts."""
        policies = self.base_policies or {}
        return tuple(sorted(chain for chain, policy in policies.items() if policy == "DROP"))

    @property
    def acts(self) -> bool:
        """Whether anything in it can change what happens to a packet."""
        return self.rules > 0 or bool(self.dropping)

    @property
    def label(self) -> str:
        """How a person knows it: ``ip filter (iptables-legacy)``, ``inet firewalld (nft)``."""
        return f"{self.family} {self.name} ({self.backend})"


@record
class RulesetText:
    """Rules as ``tool`` prints them: nft (JSON), iptables-nft, ip6tables-nft, iptables-legacy,
    ip6tables-legacy or ipset."""

    tool: str
    text: str


@record
class Firewall:
    """``tables`` are those of nf_tables, iptables-nft's included; ``legacy_tables`` the others.

    ``managers`` maps firewalld, ufw, nftables, netfilter-persistent, iptables, ip6tables and
    nodeprep-firewall to ``active``, ``enabled``, ``active+enabled`` or empty (not installed or
    off). ``iptables_version`` is what ``-V`` prints. ``ufw_enabled``: what ufw's own configuration
    says, None where it is not installed. ``rulesets``: the rules themselves, empty where none act.
    """

    tables: Known[tuple[FilterTable, ...]]
    legacy_tables: Known[tuple[FilterTable, ...]]
    iptables_version: Known[str]
    managers: Known[dict[str, str]]
    ufw_enabled: Known[bool | None] = None
    rulesets: Known[tuple[RulesetText, ...]] = Unknown("absent", "the rules were not read")
