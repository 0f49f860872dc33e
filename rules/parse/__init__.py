"""Text of packet filters -> rules.ruleset. Pure.

``rules.parse.nft.parse_nft(json_text, *, source="nft") -> Ruleset`` reads `nft -j list ruleset`;
``rules.parse.iptables.parse_iptables_save(text, backend, family, ipsets=(), *, source=...) ->
Ruleset`` reads `iptables-save`; ``rules.parse.ipset.parse_ipset_save(text) -> dict[str, IpSet]``
reads `ipset save`. All raise ConfigError, with file and line, for text that is not theirs.
"""
