"""The names in ``ignore`` and ``skip`` of a file, held against the checks that there are."""

from __future__ import annotations

from collections.abc import Callable

from rules.errors import UsageError


def reader() -> Callable[[str], str]:
    """A reader of one name: a check's id, kubeadm's name, ``ID:SUBJECT`` or ``all``."""
    # Imported here: only a file that names a check pays for loading all of them.
    from preflight.checks.registry import registry
    from preflight.engine import validate_names

    checks = registry().values()

    def read(word: str) -> str:
        try:
            validate_names([word], checks)
        except UsageError as error:
            raise ValueError(str(error)) from None
        return word

    return read


def exists() -> Callable[[str], bool]:
    """Whether a name is one of those that ``reader`` takes."""
    read = reader()

    def test(word: str) -> bool:
        try:
            read(word)
        except ValueError:
            return False
        return True

    return test
