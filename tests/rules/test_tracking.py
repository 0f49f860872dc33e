"""The first rules of a host with open connections."""

from __future__ import annotations

import pytest

from rules.backend import Own, Texts
from rules.backend.nftables import Nftables
from rules.cluster import Role
from rules.lifecycle import tracking
from rules.lifecycle.tracking import LISTEN_S, let_meet, without_drops
from rules.policy import policy
from rules.proof.sweep import sample_cluster
from rules.render import Posture, render

_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"  # noqa: E501
_LINE = "   0: {} {} 00000000:00000000 00:00000000 00000000     0        0 4711 1\n"
OPEN = _LINE.format("0B0200C0:C350", "0C0200C0:094C 01")
LISTENING = _LINE.format("0B0200C0:094C", "00000000:0000 0A")
LOOPBACK = _LINE.format("0100007F:C350", "0100007F:094C 01")
TO_ITSELF = _LINE.format("0B0200C0:C350", "0B0200C0:094C 01")
TEXTS = {"nftables": {"nodeprep.nft": 'accept\ncounter drop comment "nodeprep:enforce"\n'}}


@pytest.mark.parametrize("target", ["nftables", "iptables", "ip6tables"])
def test_without_drops_nothing_drops_and_the_rest_is_there(target: str) -> None:
    files = render(target, policy(Role.WORKER, sample_cluster()), Posture.ENFORCE).files
    left = without_drops({target: files})[target]
    assert left.keys() == files.keys()
    for name, text in files.items():
        gone = set(text.splitlines()) - set(left[name].splitlines())
        assert all("DROP" in line or "drop" in line for line in gone)
        words = left[name].split()
        assert "drop" not in words
        assert "DROP" not in words
    assert sum(map(len, files.values())) > sum(map(len, left.values()))


class Loads(Nftables):
    """Writes down what it is given."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def load(self, texts: Texts, live: Own) -> None:
        """Kept."""
        self.loaded.append(texts["nftables"]["nodeprep.nft"])

    def read(self) -> Own:
        """What was loaded last."""
        return {"table": self.loaded[-1]}


@pytest.mark.parametrize(
    ("table", "live", "first"),
    [
        (_HEAD + LISTENING + LOOPBACK + TO_ITSELF, {}, []),
        (_HEAD + OPEN, {"table": "old"}, []),
        (_HEAD + LISTENING + OPEN, {}, ["accept\n"]),
    ],
    ids=["nothing open", "rules of ours already", "open"],
)
def test_rules_come_twice_where_a_connection_is_open(
    table: str, live: Own, first: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(tracking, "_read", lambda path: table if path.endswith("tcp") else "")
    monkeypatch.setattr("rules.lifecycle.tracking.time.sleep", waited.append)
    owner = Loads()
    own = let_meet(owner, TEXTS, live)
    assert owner.loaded == first
    assert waited == [LISTEN_S] * len(first)
    assert own == ({"table": first[0]} if first else live)
