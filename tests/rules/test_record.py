"""A record behaves as a frozen dataclass does: shown side by side."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.record import record


@record(frozen=True)
class Recorded:
    """Doc."""

    name: str
    size: int = 3
    tags: tuple[str, ...] = ()
    more: dict[str, int] = field(default_factory=dict)

    @property
    def twice(self) -> int:
        return self.size * 2


@dataclass(frozen=True)
class Reference:
    """Doc."""

    name: str
    size: int = 3
    tags: tuple[str, ...] = ()
    more: dict[str, int] = field(default_factory=dict)


KEYS = st.sampled_from(["name", "size", "tags", "more", "nonsense"])
VALUES = st.one_of(st.integers(), st.text(max_size=3), st.just(()))


@given(st.lists(VALUES, max_size=6), st.dictionaries(KEYS, VALUES, max_size=4))
def test_every_call_gives_what_a_dataclass_gives(args: list[Any], kwargs: dict[str, Any]) -> None:
    try:
        expected = Reference(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            Recorded(*args, **kwargs)
        return
    made = Recorded(*args, **kwargs)
    for name in ("name", "size", "tags", "more"):
        assert getattr(made, name) == getattr(expected, name)
    assert repr(made).replace("Recorded", "Reference") == repr(expected)
    assert made == Recorded(*args, **kwargs)


def test_the_tools_of_dataclasses_work_on_it() -> None:
    made = Recorded("a", tags=("x",))
    assert is_dataclass(made)
    assert is_dataclass(Recorded)
    assert [item.name for item in fields(made)] == [item.name for item in fields(Reference)]
    assert replace(made, size=9) == Recorded("a", 9, ("x",))
    assert replace(made, size=9).twice == 18


def test_it_is_frozen_hashable_and_equal_by_value() -> None:
    made = Recorded("a")
    with pytest.raises(FrozenInstanceError):
        made.size = 4  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del made.name
    assert Recorded("a", more={}) == made
    other: object = Reference("a")
    assert made != other
    assert len({Setless("a", 1), Setless("a", 1), Setless("b", 1)}) == 2


@record(frozen=True)
class Setless:
    """Hashable fields only."""

    name: str
    size: int


def test_each_instance_has_its_own_made_default() -> None:
    assert Recorded("a").more is not Recorded("a").more


def test_it_copies_and_pickles() -> None:
    made = Recorded("a", 5)
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301  (what this test pickled itself)
