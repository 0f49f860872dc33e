"""Commands that mend /etc/hosts."""

from __future__ import annotations

from shlex import quote


def add_to_hosts(*lines: str) -> str:
    """The command that appends the lines, after an empty one: the last may have no end."""
    return f"printf '%s\\n' '' {' '.join(quote(line) for line in lines)} >> /etc/hosts"


def take_from_hosts(name: str) -> str:
    """The command that takes the name, and no other, out of the lines of the file."""
    pattern = name.replace(".", "\\.")
    program = rf"s/([[:space:]]){pattern}([[:space:]]|$)/\1\2/Ig"
    return f"sed -i -E {quote(program)} /etc/hosts"
