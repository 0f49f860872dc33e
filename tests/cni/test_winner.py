from __future__ import annotations

import pytest

from preflight.cni.winner import CONTAINERD, CRI_DOCKERD, CRIO, LIBCNI, candidates, choose
from preflight.facts.model import Known, Unknown

GOOD = '{"cniVersion": "1.0.0", "name": "%s", "plugins": [{"type": "bridge"}]}'
SINGLE = '{"cniVersion": "0.4.0", "name": "%s", "type": "bridge"}'
DIR = "/etc/cni/net.d"


def files(**texts: Known[str]) -> dict[str, Known[str]]:
    return {f"{DIR}/{name.replace('__', '.').replace('_', '-')}": texts[name] for name in texts}


def test_candidates_are_direct_children_by_extension_in_byte_order() -> None:
    names = (
        "b.conf",
        "Z.conflist",
        "a.json",
        "10-x.conflist",
        "9-x.conflist",
        ".hidden.conflist",
        "x.conflist.bak",
        "x.conf~",
        "sub/a.conf",
        "README",
    )
    paths = tuple(f"{DIR}/{name}" for name in names)
    found = [path.removeprefix(f"{DIR}/") for path in candidates(paths, f"{DIR}/")]
    assert found == [
        ".hidden.conflist",
        "10-x.conflist",
        "9-x.conflist",
        "Z.conflist",
        "a.json",
        "b.conf",
    ]


def test_a_directory_with_a_longer_name_is_another_one() -> None:
    assert candidates(("/etc/cni/net.d2/a.conf",), DIR) == []


@pytest.mark.parametrize("reader", [CONTAINERD, CRIO, CRI_DOCKERD])
def test_the_first_by_name_wins(reader: str) -> None:
    choice = choose(files(b__conflist=GOOD % "b", a__conf=SINGLE % "a"), DIR, reader)
    assert choice.network is not None
    assert choice.network.name == "a"
    assert choice.others == (f"{DIR}/b.conflist",)


def test_libcni_itself_prefers_lists() -> None:
    choice = choose(files(b__conflist=GOOD % "b", a__conf=SINGLE % "a"), DIR, LIBCNI)
    assert choice.network is not None
    assert choice.network.name == "b"


def test_a_broken_first_file_stops_containerd_and_not_the_others() -> None:
    texts = files(a__conflist="{", b__conflist=GOOD % "b")
    choice = choose(texts, DIR, CONTAINERD)
    assert choice.network is None
    assert choice.blocked_by is not None
    assert choice.blocked_by.path == f"{DIR}/a.conflist"
    assert choice.others == (f"{DIR}/b.conflist",)
    choice = choose(texts, DIR, CRIO)
    assert choice.network is not None
    assert choice.network.name == "b"
    assert [item.path for item in choice.skipped] == [f"{DIR}/a.conflist"]
    assert choice.others == ()


@pytest.mark.parametrize(("limit", "blocked"), [(1, False), (2, True), (0, True)])
def test_containerd_loads_as_many_as_it_is_told(limit: int, blocked: bool) -> None:
    texts = files(a__conflist=GOOD % "a", b__conflist="{")
    choice = choose(texts, DIR, CONTAINERD, limit=limit)
    assert (choice.blocked_by is not None) is blocked


def test_crio_takes_the_network_that_it_is_told() -> None:
    texts = files(a__conflist=GOOD % "a", b__conflist=GOOD % "b")
    choice = choose(texts, DIR, CRIO, name="b")
    assert choice.network is not None
    assert choice.network.name == "b"
    missing = choose(texts, DIR, CRIO, name="c")
    assert missing.network is None
    assert len(missing.others) == 2


@pytest.mark.parametrize("reader", [CONTAINERD, CRIO])
def test_a_first_file_that_may_not_be_read_leaves_it_open(reader: str) -> None:
    texts = files(a__conflist=Unknown("denied", "a may not be read"), b__conflist=GOOD % "b")
    choice = choose(texts, DIR, reader)
    assert choice.network is None
    assert choice.unread == Unknown("denied", "a may not be read")


def test_a_later_file_that_may_not_be_read_does_not_matter() -> None:
    texts = files(a__conflist=GOOD % "a", b__conflist=Unknown("denied", "b"))
    assert choose(texts, DIR, CONTAINERD).network is not None


@pytest.mark.parametrize("reader", [CONTAINERD, CRIO, LIBCNI])
def test_nothing_at_all(reader: str) -> None:
    choice = choose({}, DIR, reader)
    assert (choice.network, choice.blocked_by, choice.unread) == (None, None, None)


@pytest.mark.parametrize("reason", ["denied", "not-asked"])
def test_why_it_is_open_does_not_matter(reason: str) -> None:
    assert choose(files(a__conf=Unknown(reason, "x")), DIR, CONTAINERD).unread is not None


def test_a_file_that_nobody_can_read_is_a_broken_one() -> None:
    dead = Unknown("failed", f"{DIR}/a.conflist is not there")
    choice = choose(files(a__conflist=dead, b__conflist=GOOD % "b"), DIR, CONTAINERD)
    assert choice.blocked_by is not None
    assert choice.blocked_by.problem == "is not there"
