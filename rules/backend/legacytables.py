"""The legacy tables where no program here prints them: by python-iptables (extra `iptables`).

A host that once had iptables-legacy can hold rules that no installed binary sees, and that drop
packets all the same. Reading is all that is done here: python-iptables has no lock.
"""

from __future__ import annotations

from importlib import import_module

from rules.errors import CommandError
from rules.record import record


@record
class LegacyChain:
    """``policy`` is ACCEPT or DROP, empty for a chain that is not the kernel's own."""

    table: str
    name: str
    policy: str
    rules: int


def read_legacy(tables: tuple[str, ...], family: int) -> tuple[LegacyChain, ...]:
    """The chains of tables that exist; asking for another would make it.

    Raises CommandError: ``absent`` where the library is not installed or does not load here,
    ``failed`` where it cannot read them.
    """
    try:
        library = import_module("iptc")
    except Exception as error:  # it looks for libiptc itself, and fails in many ways
        raise CommandError("absent", f"python-iptables cannot be used: {error}") from error
    make = library.Table if family == 4 else library.Table6
    found: list[LegacyChain] = []
    try:
        for name in tables:
            table = make(name)
            try:
                found += [
                    LegacyChain(
                        name,
                        str(chain.name),
                        str(chain.get_policy().name) if chain.is_builtin() else "",
                        len(chain.rules),
                    )
                    for chain in table.chains
                ]
            finally:
                table.close()
    except Exception as error:
        raise CommandError("failed", f"python-iptables cannot read them: {error}") from error
    return tuple(found)
