"""The rules themselves, in the words of the tools that print them; read only where some act."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.firewall import FilterTable, RulesetText
from rules.run import Output

# What a person would still copy to another machine; a hundred thousand iptables rules.
LIMIT_BYTES = 16 * 1024 * 1024
# (backend, family) of a table -> the tool that prints it, and its programs: of that very flavour,
# and the plain one, which is of either.
_SAVES = {
    ("iptables-nft", "ip"): ("iptables-nft", "iptables-nft-save", "iptables-save"),
    ("iptables-nft", "ip6"): ("ip6tables-nft", "ip6tables-nft-save", "ip6tables-save"),
    ("iptables-legacy", "ip"): ("iptables-legacy", "iptables-legacy-save", "iptables-save"),
    ("ip6tables-legacy", "ip6"): ("ip6tables-legacy", "ip6tables-legacy-save", "ip6tables-save"),
}


def read_rulesets(
    host: Host,
    tables: Known[tuple[FilterTable, ...]],
    legacy: Known[tuple[FilterTable, ...]],
    iptables_version: Known[str],
) -> Known[tuple[RulesetText, ...]]:
    """Every ruleset that acts: none where no table does, without running a program.

    Unknown where one of them cannot be read: an answer from half of the rules would be wrong.
    Of a table that nft and iptables-nft share, iptables-save hides what nft made, or gives up on
    it; so nft prints those too, where it is installed, and its list counts alone if need be.
    """
    for found in (tables, legacy):
        if isinstance(found, Unknown):
            return found
    acting = [table for table in (*_known(tables), *_known(legacy)) if table.acts]
    pending = [(tool, host.start(argv)) for tool, argv in _programs(acting, iptables_version)]
    texts: list[RulesetText] = []
    for tool, answer in pending:
        text = _text(tool, answer)
        if not isinstance(text, Unknown):
            texts.append(text)
        elif not _is_said_elsewhere(tool, text, acting, texts):
            return text
    if any("--match-set" in text.text for text in texts):
        ipsets = _text("ipset", host.start(("ipset", "save")))
        # Without it the rules that name a set have an unknown answer, and the others their own.
        texts += [] if isinstance(ipsets, Unknown) else [ipsets]
    return tuple(texts)


def _known(tables: Known[tuple[FilterTable, ...]]) -> Iterable[FilterTable]:
    return () if isinstance(tables, Unknown) else tables


def _is_said_elsewhere(
    tool: str, why: Unknown, acting: list[FilterTable], texts: list[RulesetText]
) -> bool:
    """Whether the other program of a shared table says it all, or enough."""
    if tool == "nft":
        return why.reason == "absent" and not any(table.backend == "nft" for table in acting)
    from_nft = any(text.tool == "nft" for text in texts)
    return from_nft and tool.endswith("-nft") and why.reason in ("absent", "failed")


def _programs(
    acting: list[FilterTable], version: Known[str]
) -> Iterable[tuple[str, tuple[str, ...]]]:
    if any(table.backend in ("nft", "iptables-nft") for table in acting):
        yield "nft", ("nft", "-j", "list", "ruleset")
    plain_is_nft = isinstance(version, str) and "nf_tables" in version
    for place in dict.fromkeys((table.backend, table.family) for table in acting):
        if place in _SAVES:
            tool, exact, plain = _SAVES[place]
            ours = plain_is_nft == (place[0] == "iptables-nft")
            # Older systems have the plain name only.
            yield tool, ((plain if ours and isinstance(version, str) else exact),)


def _text(tool: str, answer: Callable[[], Known[Output]]) -> Known[RulesetText]:
    output = answer()
    if isinstance(output, Unknown):
        return output
    if len(output.stdout) > LIMIT_BYTES:
        size = len(output.stdout) // 1024 // 1024
        return Unknown("failed", f"the rules that {tool} prints are {size} MiB, too many to keep")
    return RulesetText(tool, output.stdout)
