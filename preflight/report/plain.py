"""Text that may come from another machine, made fit to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line, control characters shown as escapes.

    A host name or a config file may hold terminal escape sequences; they are data here.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def fold(text: str, width: int, indent: str) -> str:
    """``text`` wrapped to ``width`` columns, the lines after the first behind ``indent``.

    ``width`` 0 means no limit. Long words (commands, URLs) stay whole so that they can be copied.
    """
    if not width or len(text) <= width:
        return text
    import textwrap

    room = max(width, 40)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return f"\n{indent}".join(lines)
