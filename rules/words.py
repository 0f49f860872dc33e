"""Words that a person may have misspelt: which of those that there are is meant."""

from __future__ import annotations

from collections.abc import Iterable

from rules.errors import UsageError

# Of two words' letters, the share that must agree; "foo" is then near to nothing.
_SHARE = 0.6
# Comparing takes the square of the length.
_LONGEST = 100


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like ``word``, whatever its case; empty where none is.

    The only one that begins with it is the nearest, however much longer it is.
    """
    from difflib import get_close_matches

    lowered = {each.lower(): each for each in known}
    asked = word.strip().lower()[:_LONGEST]
    begun = [each for each in lowered if asked and each.startswith(asked)]
    near = begun if len(begun) == 1 else get_close_matches(asked, lowered, 1, cutoff=_SHARE)
    return lowered[near[0]] if near else ""


def hint(word: str, known: Iterable[str]) -> str:
    """The end of a message about ``word``: `; did you mean KNOWN?`, or nothing."""
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else ""


def wrong_choice(option: str, word: str, known: Iterable[str]) -> UsageError:
    """The error for a word that is none of those that ``option`` takes."""
    words = list(known)
    listed = " or ".join(words) if len(words) == 2 else ", ".join(words)
    return UsageError(f"{option} takes {listed}, not {word!r}{hint(word, words)}")
