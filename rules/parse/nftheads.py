"""What nft's JSON leaves out of a table, from its text: whether it is dormant, and of which devices
its chains are. Pure.

nft 1.0 prints the name of its own release for a table's flags, and no device of a chain that has
only one (seen with 1.0.6); its text has both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rules.ruleset import Base, Chain, Table

_FLAGS = re.compile(r"^\tflags ([a-z, ]+)$", re.MULTILINE)
_CHAIN = re.compile(r"^\tchain (\S+) \{\n(?:\t\tcomment .*\n)?\t\t(type .*)$", re.MULTILINE)
_DEVICES = re.compile(r" (?:device|devices = \{) ((?:\"?[^\s\"{},;]+\"?,? )+?)(?:\} )?priority ")
_BY_DEVICE = ("ingress", "egress")


def lacks_head(table: Table) -> bool:
    """Whether its text says more."""
    return table.dormant is None or any(_lacks_devices(one) for one in table.chains.values())


def _lacks_devices(chain: Chain) -> bool:
    return chain.base is not None and chain.base.hook in _BY_DEVICE and not chain.base.devices


def with_head(table: Table, text: str) -> Table:
    """The same table with what ``text`` (`nft list table`) adds."""
    heads = {found[1]: found[2] for found in _CHAIN.finditer(text)}
    chains = {name: _chain(chain, heads) for name, chain in table.chains.items()}
    return Table(**{**vars(table), "dormant": is_dormant(text), "chains": chains})


def is_dormant(text: str) -> bool:
    """Whether the text of a table says that it is switched off."""
    return any("dormant" in re.split(r"[, ]+", found[1]) for found in _FLAGS.finditer(text))


def _chain(chain: Chain, heads: Mapping[str, str]) -> Chain:
    found = _DEVICES.search(heads.get(chain.name, ""))
    if chain.base is None or not _lacks_devices(chain) or found is None:
        return chain
    devices = tuple(word.strip('",') for word in found[1].split())
    return Chain(**{**vars(chain), "base": Base(**{**vars(chain.base), "devices": devices})})
