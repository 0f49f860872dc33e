"""Who on this host stops packets of pods from being forwarded, and through whom they are let pass.

An accept in a table of ours would do nothing: every base chain has to let a packet pass, and the
one that drops belongs to somebody. firewalld and ufw are told by the backends of `nodeprep
firewall`, in what is theirs; any other chain gets a rule of ours at its top.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from preflight.cni.kinds import InstallError
from rules.backend.detect import Filters, OwnerError, choose, look
from rules.backend.iptables import flavour_of, program
from rules.backend.ufw import ufw_families
from rules.record import record
from rules.ruleset import Action, Chain, Hung, Ruleset, Verdict
from rules.tracing.live import read_live

_CLOSED = (Action.DROP, Action.REJECT)
# What nft takes as a name without quotes.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./\\-]*")


@record
class Doors:
    """``owners``: firewalld or ufw. ``programs``: the iptables programs whose FORWARD drops.

    ``chains``: other base chains that drop: (nft family, table, chain, IP family).
    ``masquerading``: ``native`` (nft), or iptables of kind ``nft`` or ``legacy``.
    """

    owners: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    chains: tuple[tuple[str, str, str, int], ...] = ()
    masquerading: str = "native"


def find_doors(versions: Iterable[int]) -> Doors:
    """Reads this host's packet filters for the families in use. 40 to 150 ms.

    Raises CommandError where they cannot be read, InstallError where nobody can be told.
    """
    filters, rules = look(), read_live()
    if filters.firewalld_table and not filters.firewalld:
        try:
            choose(filters, "auto", enforce=False)
        except OwnerError as error:
            raise InstallError(str(error)) from None
    flavour = flavour_of() or "nft"
    wanted = sorted(set(versions))
    theirs = _theirs(filters, flavour)
    owners = ["firewalld"] if filters.firewalld else []
    if filters.ufw and set(wanted) & set(ufw_families()):
        owners.append("ufw")
    programs, chains = [], []
    for version in wanted:
        for hung in closing(rules, version):
            table, name = hung.table, hung.chain.name
            if (table.backend, version) in theirs or table.name in ("firewalld", "nodeprep"):
                continue
            if table.backend != "nft" or name == "FORWARD":
                programs.append(program(_flavour(hung), version))
            elif not (_NAME.fullmatch(table.name) and _NAME.fullmatch(name)):
                raise InstallError(
                    f"chain {name!r} of table {table.family} {table.name!r} drops what is "
                    "forwarded, and its name is none that can be written; let pods pass there"
                )
            else:
                chains.append((table.family, table.name, name, version))
    return Doors(
        tuple(owners),
        tuple(dict.fromkeys(programs)),
        tuple(chains),
        _masquerading(filters, rules, flavour),
    )


def closing(rules: Ruleset, version: int) -> Iterator[Hung]:
    """The base chains of FORWARD that end with a refusal: of their policy, or of a last rule."""
    for group in rules.bases("forward", version):
        yield from (hung for hung in group if _ends_with(hung.chain, hung.base.policy) in _CLOSED)


def _ends_with(chain: Chain, policy: Action) -> Action:
    """What becomes of a packet that no rule with a condition decides about."""
    for rule in chain.rules:
        said = rule.statement
        if not rule.matches and isinstance(said, Verdict) and said.action in (
            Action.ACCEPT, *_CLOSED
        ):  # fmt: skip
            return said.action
    return policy


def _flavour(hung: Hung) -> str:
    return "legacy" if hung.table.backend == "iptables-legacy" else "nft"


def _theirs(filters: Filters, flavour: str) -> set[tuple[str, int]]:
    """(backend, family) of the iptables tables whose rules firewalld or ufw make."""
    found: set[tuple[str, int]] = set()
    if filters.ufw:
        found |= {(f"iptables-{flavour}", version) for version in ufw_families()}
    if filters.firewalld and not filters.firewalld_table:
        # FirewallBackend=iptables: each reload makes these chains anew.
        found |= {(f"iptables-{flavour}", version) for version in (4, 6)}
    return found


def _masquerading(filters: Filters, rules: Ruleset, flavour: str) -> str:
    """Rules in two packet filters act both, and only one is seen by each tool."""
    legacy = [
        chain
        for table in rules.tables
        if table.backend == "iptables-legacy"
        for chain in table.chains.values()
    ]
    if any(chain.rules or _ends_with(chain, _policy(chain)) in _CLOSED for chain in legacy):
        return "legacy"
    return "native" if filters.nft else flavour


def _policy(chain: Chain) -> Action:
    return Action.ACCEPT if chain.base is None else chain.base.policy
