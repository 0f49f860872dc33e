"""A line of iptables-save -> segments: the plain part, each match extension, the target. Pure."""

from __future__ import annotations

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


@record
class Segment:
    """The options of one extension; ``name`` is empty for the plain part (-s, -d, -i, -o, -p)."""

    name: str
    options: tuple[Option, ...]
    text: str


@record
class Line:
    """A rule: what it matches, and where it goes (``goto``: by -g)."""

    chain: str
    segments: tuple[Segment, ...]
    target: Segment | None
    goto: bool
    text: str


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


def split_line(line: str) -> Line:
    """``-A CHAIN ...`` in its parts. Raises ValueError where the quotes are broken."""
    words = _words(line) if '"' in line or "'" in line or "\\" in line else line.split()
    chain = words[1]
    segments: list[Segment] = []
    target: Segment | None = None
    name, goto, in_target, start = "", False, False, 2
    for place in range(2, len(words) + 1):
        end = place == len(words)
        word = "" if end else words[place]
        opens = not end and not isinstance(word, Quoted) and words[place - 1] not in _TEXT
        if not (end or (opens and (word in _EXTENSION or word in _TARGET))):
            continue
        if place > start or name or in_target:
            made = Segment(name, _options(words[start:place]), _text(name, words[start:place]))
            if in_target:
                target = made
            else:
                segments.append(made)
        if not end:
            in_target, goto = word in _TARGET, word in ("-g", "--goto") or goto
            name = words[place + 1]
            start = place + 2
    return Line(chain, tuple(segments), target, goto, line)


def _text(name: str, words: list[str]) -> str:
    return " ".join([*(["-m", name] if name else []), *map(str, words)])


def _options(words: list[str]) -> tuple[Option, ...]:
    return tuple(_each_option(words))


def _each_option(words: list[str]) -> Iterator[Option]:
    place, negated = 0, False
    while place < len(words):
        word = words[place]
        place += 1
        if word == "!" and not isinstance(word, Quoted):
            negated = True
            continue
        if word in _TEXT:
            yield Option(word, tuple(words[place : place + 1]), negated)
            place += 1
            negated = False
            continue
        start = place
        while place < len(words) and not _is_option(words, place):
            place += 1
        yield Option(word, tuple(words[start:place]), negated)
        negated = False


def _is_option(words: list[str], place: int) -> bool:
    word = words[place]
    if isinstance(word, Quoted):
        return False
    if word == "!":
        return place + 1 < len(words)
    return len(word) > 1 and word[0] == "-" and not word[1].isdigit()


def _words(line: str) -> list[str]:
    """As iptables-restore splits: double quotes, and a backslash before a character in them."""
    words: list[str] = []
    word: list[str] = []
    quoted = inside = False
    characters = iter(line)
    for character in characters:
        if inside:
            if character == "\\":
                word.append(next(characters, ""))
            elif character == '"':
                inside = False
            else:
                word.append(character)
        elif character == '"':
            inside = quoted = True
        elif character in " \t\n":
            if word or quoted:
                words.append(Quoted("".join(word)) if quoted else "".join(word))
            word, quoted = [], False
        else:
            word.append(character)
    if inside:
        raise ValueError("a quotation mark is not closed")
    if word or quoted:
        words.append(Quoted("".join(word)) if quoted else "".join(word))
    return words
