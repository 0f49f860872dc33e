"""The names in ``ignore`` and ``skip`` of a file, held against the checks that there are."""

from __future__ import annotations

from rules.errors import UsageError


def read(word: str) -> str:
    """One name: a check's id, kubeadm's name, ``ID:SUBJECT`` or ``all``. Raises ValueError."""
    # Imported here: only a file that names a check pays for loading all of them.
    from preflight.checks.registry import registry
    from preflight.engine import validate_names

    try:
        validate_names([word], registry().values())
    except UsageError as error:
        raise ValueError(str(error)) from None
    return word


def exists(word: str) -> bool:
    """Whether a name is one of those that ``read`` takes."""
    try:
        read(word)
    except ValueError:
        return False
    return True
