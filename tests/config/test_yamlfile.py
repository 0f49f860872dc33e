from __future__ import annotations

import pytest
import yaml

from preflight.config.yamlfile import (
    MAX_ALIASED_VALUES,
    MAX_DEPTH,
    Entry,
    Mapping,
    Scalar,
    Sequence,
    parse_documents,
)
from rules.errors import ConfigError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


def test_values_know_their_line_and_whether_they_were_quoted() -> None:
    (document,) = parse_documents('a: 1.30\nb:\n  - "yes"\n  - yes\n', "f")
    assert document == Mapping(
        1,
        {
            "a": Entry(1, Scalar(1, "1.30", True)),
            "b": Entry(2, Sequence(3, [Scalar(3, "yes", False), Scalar(4, "yes", True)])),
        },
        [],
    )


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("~", "nothing"), ("null", "nothing"), ('""', "text"), ("on", "true or false"),
        ("FALSE", "true or false"), ("'no'", "text"), ("1.30", "a number"), ("-5", "a number"),
        ("1e3", "a number"), ("0x1f", "a number"), ("1.2.3", "text"), ("10.0.0.0/8", "text"),
        ("!!str 12", "text"), ("! 12", "text"), ("!!int 12", "a number"), ("1_000", "a number"),
    ],
)  # fmt: skip
def test_the_kind_of_a_scalar_in_words(word: str, kind: str) -> None:
    (document,) = parse_documents(f"a: {word}", "f")
    assert isinstance(document, Mapping)
    assert document.entries["a"].value.kind == kind


def test_empty_documents_are_left_out() -> None:
    assert parse_documents("", "f") == []
    assert parse_documents("# nothing\n---\n---\n~\n...\n", "f") == []
    assert len(parse_documents("a: 1\n---\n---\nb: 2\n", "f")) == 2


def test_a_repeated_key_is_noted_with_both_lines() -> None:
    (document,) = parse_documents("a: 1\nb: 2\na: 3\n", "f")
    assert isinstance(document, Mapping)
    assert document.repeated == [("a", 3, 1)]


def test_aliases_and_merge_keys_are_followed_and_own_keys_win() -> None:
    text = "base: &b {x: 1, y: 2}\nnode:\n  <<: *b\n  y: 3\nagain: *b\n"
    (document,) = parse_documents(text, "f")
    assert isinstance(document, Mapping)
    node = document.entries["node"].value
    assert {key: entry.value.text for key, entry in node.entries.items()} == {"x": "1", "y": "3"}
    assert node.repeated == []
    assert document.entries["again"].value.entries.keys() == {"x", "y"}


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: [", 2, "is not YAML"),
        ("a: b: c", 1, "is not YAML"),
        ("a:\n  b: 1\n\tc: 2\n", 3, "indented with a tab"),
        ("a: 1\nb: \x00\n", 2, "U+0000"),
        ("a: \x1b[31m\n", 1, "U+001B"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "the tag"),
        ("a: !vault x\n", 1, "the tag"),
        ("a: 1\nb: *c\n", 2, "an anchor (&) that is not there"),
        ("a: &x 1\n---\nb: *x\n", 3, "an anchor (&) that is not there"),
        ("a: &a [1, *a]\n", 1, "the very value that it is in"),
        ("[1, 2]: x\n", 1, "a key is a list"),
        ("? {a: 1}\n: x\n", 1, "a key is a mapping"),
        (LAUGHS, 4, f"more than {MAX_ALIASED_VALUES} values"),
        ("[" * 100_000, 1, f"more than {MAX_DEPTH} levels"),
        ("{a: " * 100_000, 1, f"more than {MAX_DEPTH} levels"),
        ("- " * 100_000, 1, f"more than {MAX_DEPTH} levels"),
        ("? " * 100_000, 1, f"more than {MAX_DEPTH} levels"),
        ("%YAML 9.9\n---\na: 1\n", 1, "is not YAML"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_its_place(text: str, line: int, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_documents(text, "f.yaml")
    assert str(caught.value).startswith(f"f.yaml:{line}: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_with_too_many_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preflight.config.yamlfile.MAX_VALUES", 1000)
    with pytest.raises(ConfigError, match="more than 1000 values"):
        parse_documents("- 1\n" * 1001, "f")


def test_it_works_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert len(parse_documents("a: &x [1, *y]\n".replace("*y", "2") + "b: *x\n", "f")) == 1
    with pytest.raises(ConfigError, match=r"f:2: .*more than 32 levels"):
        parse_documents("a:\n  " + "[" * 200, "f")
    with pytest.raises(ConfigError, match=r"f:2: is not YAML"):
        parse_documents("a: b\nc: d: e", "f")
