"""Facts to JSON and back, and what is refused on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preflight.facts.codec import REASONS, Mismatch, decode, encode
from preflight.facts.model import Facts, Known, Unknown
from preflight.facts.store import document, load
from rules.errors import ConfigError
from tests.nodes import healthy

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    # Below 65536, so that it is a possible value of every field, ports too.
    int: st.integers(0, 65535),
    float: st.floats(-1e9, 1e9),
    bool: st.booleans(),
    type(None): st.none(),
    Unknown: st.builds(Unknown, st.sampled_from(sorted(REASONS)), TEXT),
    IPv4Address: st.ip_addresses(v=4),
    IPv6Address: st.ip_addresses(v=6),
    IPv4Network: st.builds(IPv4Network, st.just("10.0.0.0/8")),
    IPv6Network: st.builds(IPv6Network, st.just("fd00::/48")),
    IPv4Interface: st.builds(IPv4Interface, st.just("192.0.2.11/24")),
    IPv6Interface: st.builds(IPv6Interface, st.just("fe80::1%eth0/64")),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotation of the model."""
    origin, items = get_origin(kind), get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if origin is tuple and items[1:] == (Ellipsis,):
        return st.lists(values(items[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, items))
    if origin is dict:
        return st.dictionaries(
            TEXT.filter(lambda key: key != "unknown"), values(items[1]), max_size=2
        )
    if is_dataclass(kind):
        return records(kind)
    return st.one_of(*map(values, items))


def records(kind: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    names = [item.name for item in fields(kind)]
    return st.fixed_dictionaries({name: values(hints[name]) for name in names}).map(
        lambda arguments: kind(**arguments)
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(records(Facts))
def test_what_is_written_is_read_back(facts: Facts) -> None:
    assert decode(Facts, json.loads(json.dumps(encode(facts), allow_nan=False))) == facts


def test_the_healthy_node_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(document(healthy())))
    assert load(str(path)) == healthy()


@dataclass(frozen=True)
class Part:
    port: int = 0
    size_bytes: Known[int] = 0
    ratio: float = 0.0


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Whole:
    name: str
    parts: tuple[Part, ...] = ()
    state: Literal["up", "down"] = "up"
    colour: Colour = Colour.RED
    either: Union[bool, str, None] = None  # noqa: UP007  (both spellings are in use)
    address: IPv4Address | None = None
    table: Known[dict[str, int] | None] = None


def test_words_unions_and_single_addresses() -> None:
    whole = Whole("x", (Part(1, Unknown("denied", "no")),), "down", Colour.RED, "text",
                  IPv4Address("192.0.2.1"), {"a": 1})  # fmt: skip
    assert decode(Whole, encode(whole)) == whole
    assert decode(Whole, {"name": "x", "either": True}).either is True


@pytest.mark.parametrize(
    ("change", "place", "problem"),
    [
        ({"name": 1}, "name", "expected text, found a whole number"),
        ({"name": None}, "name", "expected text, found null"),
        ({"name": "\ud800"}, "name", "half of a character"),
        ({"nam": "x"}, "nam", "did you mean name?"),
        ({"x\n" * 90: 1}, "x\\nx", "unknown key"),
        ({"parts": {}}, "parts", "expected a list, found a mapping"),
        ({"parts": [1]}, "parts[0]", "expected a mapping, found a whole number"),
        ({"parts": [{"port": 65536}]}, "parts[0].port", "65536 is not possible"),
        ({"parts": [{"port": -1}]}, "parts[0].port", "-1 is not possible"),
        ({"parts": [{"port": True}]}, "parts[0].port", "found true or false"),
        ({"parts": [{"port": 1.0}]}, "parts[0].port", "expected a whole number, found a number"),
        ({"parts": [{"size_bytes": -5}]}, "parts[0].size_bytes", "-5 is not possible"),
        ({"parts": [{"size_bytes": 10**30}]}, "parts[0].size_bytes", "is larger than any"),
        ({"parts": [{"ratio": float("nan")}]}, "parts[0].ratio", "nan is not a number"),
        ({"parts": [{"ratio": float("inf")}]}, "parts[0].ratio", "inf is not a number"),
        ({"parts": [{"ratio": 10**400}]}, "parts[0].ratio", "expected a number"),
        ({"parts": [{"ratio": "1"}]}, "parts[0].ratio", "expected a number, found text"),
        ({"state": "sideways"}, "state", "expected one of 'up', 'down', found sideways"),
        ({"colour": "blue"}, "colour", "expected one of 'red'"),
        ({"colour": []}, "colour", "expected one of 'red'"),
        ({"either": 5}, "either", "expected true or false, found a whole number"),
        ({"address": "192.0.2.256"}, "address", "is not what is wanted here"),
        ({"address": 5}, "address", "expected an address, found a whole number"),
        ({"table": {"unknown": "broken", "message": ""}}, "table.unknown", "expected one of"),
        ({"table": {"unknown": "absent", "message": 1}}, "table.message", "expected text"),
        ({"table": {"unknown": "absent"}}, "table.unknown", "expected a whole number"),
        ({"table": []}, "table", "expected a mapping"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_place(
    change: dict[str, Any], place: str, problem: str
) -> None:
    with pytest.raises(Mismatch) as caught:
        decode(Whole, {"name": "x", **change})
    assert caught.value.place.startswith(place)
    assert problem in caught.value.problem
    assert len(str(caught.value)) < 300


def test_a_missing_value_is_refused() -> None:
    with pytest.raises(Mismatch, match=r"^name: is missing"):
        decode(Whole, {})


def test_a_file_name_that_is_no_utf8_can_still_be_written() -> None:
    assert encode("caf\udce9") == "caf\\udce9"


def test_a_reason_that_no_check_knows_is_written_as_failed() -> None:
    assert encode(Unknown("refused", "no")) == {"unknown": "failed", "message": "no"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not JSON: Expecting value"),
        ("{", "f.json:1: is not JSON"),
        ("[]", "is not a facts file"),
        ('{"kind": "CheckReport"}', "is not a facts file"),
        ('{"kind": ["Facts"]}', "is not a facts file"),
        ('{"kind": "Facts", "schema_version": 2}', "another schema_version than 1"),
        ('{"kind": "Facts", "schema_version": true}', "another schema_version than 1"),
        ('{"kind": "Facts", "kind": "Facts"}', "the key 'kind' is there twice"),
        ('{"kind": NaN}', "NaN is not a number"),
        ('{"kind": -Infinity}', "-Infinity is not a number"),
        (f'{{"kind": {"9" * 5000}}}', "a number has 5000 digits"),
        ("[" * 100_000, "nested too deep"),
        ('{"a": ' * 100_000, "nested too deep"),
        ('{"kind": "Facts", "schema_version": 1, "nodeprep": 1}', "nodeprep: expected text"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "f.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
