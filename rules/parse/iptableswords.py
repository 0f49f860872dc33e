"""A line of iptables-save -> segments: the plain part, each match extension, the target. Pure.

A host may have tens of thousands of lines, so that words stay words here: what equal words mean
is worked out once (``rules.parse.iptablesmatches``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.record import record


class Quoted(str):
    """A word that stood in quotes, so never an option."""

    __slots__ = ()


@record
class Option:
    """``[!] --name value...``."""

    name: str
    values: tuple[str, ...]
    negated: bool = False


# The name of an extension (empty: the plain part, -s, -d, -i, -o, -p) or target, and its words.
Segment = tuple[str, tuple[str, ...]]


@record
class Line:
    """A rule: what it matches, and where it goes (``goto``: by -g)."""

    chain: str
    segments: tuple[Segment, ...]
    target: Segment | None
    goto: bool


# Options that always take one word, even one that looks like an option: free text.
_TEXT = frozenset(
    {
        "--comment",
        "--log-prefix",
        "--nflog-prefix",
        "--ulog-prefix",
        "--string",
        "--hex-string",
        "--name",
    }
)
_EXTENSION = frozenset({"-m", "--match"})
_TARGET = frozenset({"-j", "--jump", "-g", "--goto"})
_OPENS = _EXTENSION | _TARGET
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|$)|([^\s"]+)(?=\s|$)|(\S)')
_ESCAPED = re.compile(r"\\(.)")


def split_line(line: str) -> Line:
    """``-A CHAIN ...`` in its parts. Raises ValueError where the quotes are broken."""
    words = _quoted_words(line) if '"' in line else line.split()
    segments: list[Segment] = []
    target: Segment | None = None
    name, goto, in_target, start, count = "", False, False, 2, len(words)
    place = 2
    while place <= count:
        end = place == count
        word = "" if end else words[place]
        if not end and (word not in _OPENS or type(word) is Quoted):
            # Free text is passed over, whatever it looks like.
            place += 2 if word in _TEXT and type(word) is not Quoted else 1
            if place > count:
                place = count
            continue
        if place > start or name:
            made = (name, tuple(words[start:place]))
            if in_target:
                target = made
            else:
                segments.append(made)
        if end:
            break
        in_target = word in _TARGET
        goto = goto or word in ("-g", "--goto")
        name, start = words[place + 1], place + 2
        place = start
    return Line(words[1], tuple(segments), target, goto)


def segment_text(segment: Segment) -> str:
    """A match as iptables prints it."""
    name, words = segment
    shown = (f'"{word}"' if isinstance(word, Quoted) else word for word in words)
    return " ".join([*(["-m", name] if name else []), *shown])


def options(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words of each option, with the ``!`` before it."""
    if len(words) == 2 and words[0] != "!" and words[1][:1] != "-":
        yield words
        return
    start = place = 0
    while place < len(words):
        if _begins(words, place) and place > start and not _denies(words, place - 1):
            yield words[start:place]
            start = place
        place += 2 if words[place] in _TEXT else 1
    if start < len(words):
        yield words[start:]


def read_option(words: tuple[str, ...]) -> Option:
    """``[!] --name value...`` in its parts; ``--name ! value`` of old versions too."""
    negated = words[0] == "!"
    if negated:
        words = words[1:]
    elif len(words) > 2 and words[1] == "!" and type(words[1]) is not Quoted:
        return Option(words[0], words[2:], True)
    return Option(words[0], words[1:], negated)


def _denies(words: tuple[str, ...], place: int) -> bool:
    return words[place] == "!" and type(words[place]) is not Quoted


def _begins(words: tuple[str, ...], place: int) -> bool:
    """Whether an option begins here: at its name, or at the ``!`` before it."""
    word = words[place]
    if type(word) is Quoted:
        return False
    if word == "!":
        return place + 1 < len(words) and _begins(words, place + 1)
    return len(word) > 1 and word[0] == "-" and not word[1].isdigit()


def _quoted_words(line: str) -> list[str]:
    """As iptables-restore splits: double quotes, and a backslash before a character in them."""
    words: list[str] = []
    if "\\" not in line:
        # Between quotation marks and not, in turn: three times as quick.
        pieces = line.split('"')
        if len(pieces) % 2 and all(piece[:1] in ("", " ") for piece in pieces[2::2]):
            for place, piece in enumerate(pieces):
                if place % 2:
                    words.append(Quoted(piece))
                else:
                    words += piece.split()
            return words
    for found in _WORD.finditer(line):
        quoted, plain, odd = found.groups()
        if odd is not None:
            raise ValueError("a quotation mark is not closed")
        if quoted is None:
            words.append(plain)
        else:
            words.append(Quoted(_ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted))
    return words
