"""A fact that could not be read is a value too, with its reason: it is never guessed."""

from __future__ import annotations

from typing import TypeVar, Union

from rules.record import record

T = TypeVar("T")


@record
class Unknown:
    """Why a fact is not there.

    ``reason``: ``absent`` (the tool or file is not there), ``denied`` (permission refused),
    ``timeout``, ``failed`` (it answered, and the answer could not be read), ``not-asked``
    (the operator did not ask: ``--offline``, or no ``--deep``).
    """

    reason: str
    message: str


Known = Union[T, Unknown]  # noqa: UP007  (a generic alias: ``Known[int]`` is ``int | Unknown``)


class Undetermined(Exception):
    """Raised where a check needs a fact that is unknown. The engine makes a finding of it.

    ``remedy``: what to do so that it can be told, or is not asked.
    """

    def __init__(self, unknown: Unknown, remedy: str = "") -> None:
        super().__init__(unknown.message)
        self.unknown = unknown
        self.remedy = remedy


def known(value: Known[T], remedy: str = "") -> T:
    """The fact itself. Raises Undetermined, with the remedy, where it is unknown."""
    if isinstance(value, Unknown):
        raise Undetermined(value, remedy)
    return value


def known_or(value: Known[T], default: T) -> T:
    """The fact, or ``default``: only for facts that no verdict rests on."""
    return default if isinstance(value, Unknown) else value
