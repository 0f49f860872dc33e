"""The address lists of a plan: each made, named and written once, however many rules use it."""

from __future__ import annotations

import hashlib

from rules.cluster import IPNetwork
from rules.record import record
from rules.render.templating import slug


@record
class AddressList:
    """Disjoint, sorted networks of one family, never none.

    ``name``: letters, digits and underscores, no two lists of a plan share it. ``texts`` are the
    networks as text, an address alone without its prefix length. ``key``: 12 hex digits that
    stand for the content.
    """

    name: str
    family: int
    key: str
    networks: tuple[IPNetwork, ...]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.networks)

    @property
    def content_name(self) -> str:
        """A name that no list of another content has, in this policy or in the next."""
        return f"{self.name}_{self.key[:8]}"

    @property
    def prefixed(self) -> tuple[str, ...]:
        """The networks as text, each with its prefix length."""
        host = 32 if self.family == 4 else 128
        return tuple(text if "/" in text else f"{text}/{host}" for text in self.texts)


class AddressBook:
    """Makes the lists. A tuple of networks that comes twice gives the same list."""

    def __init__(self) -> None:
        self._lists: dict[int, AddressList] = {}
        self._by_key: dict[tuple[int, str], AddressList] = {}
        self._names: dict[int, set[str]] = {4: set(), 6: set()}
        self._texts: dict[int, str] = {}
        self._kept: list[tuple[IPNetwork, ...]] = []

    def find(self, networks: tuple[IPNetwork, ...], word: str) -> AddressList | None:
        """The list of these networks, called after ``word`` if it is new; None for none."""
        if not networks:
            return None
        # By identity: to hash a list of 10,000 networks costs as much as to write it.
        known = self._lists.get(id(networks))
        if known is None:
            family = networks[0].version
            texts = tuple([self._text(network) for network in networks])
            key = hashlib.sha256(",".join(texts).encode()).hexdigest()[:12]
            known = self._by_key.get((family, key))
            if known is None:
                known = AddressList(self._name(word, family), family, key, networks, texts)
                self._by_key[family, key] = known
            self._lists[id(networks)] = known
            self._kept.append(networks)  # while it lives, nothing else gets its identity
        return known

    def lists(self) -> tuple[AddressList, ...]:
        """All of them, in the order in which they were made."""
        return tuple(self._by_key.values())

    def _text(self, network: IPNetwork) -> str:
        text = self._texts.get(id(network))
        if text is None:
            alone = network.prefixlen == network.max_prefixlen
            text = str(network.network_address if alone else network)
            self._texts[id(network)] = text
        return text

    def _name(self, word: str, family: int) -> str:
        # Short: an ipset's name has 31 characters at most, a prefix and the family among them.
        stem = slug(word, self._names[family], most=15).replace("-", "_")
        return f"{stem if stem[0].isalpha() else f's{stem}'}_v{family}"
