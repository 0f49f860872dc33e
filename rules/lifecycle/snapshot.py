"""What was ours before a change, kept so that it can come back: objects, rules on disk, boot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.backend import BACKENDS, Own, backend
from rules.errors import CommandError
from rules.record import record
from rules.state import Store

# Files of the subject `firewall` in the state directory.
APPLIED = "applied.json"
PENDING = "pending.json"
LAST = "last.json"


@record
class Applied:
    """What was loaded last. ``texts``: render target -> file name -> text.

    ``at``: UTC, ISO 8601. ``confirmed``: somebody said that it works, or nobody was to be asked.
    """

    backend: str
    role: str
    posture: str
    digest: str
    at: str
    texts: dict[str, dict[str, str]]
    confirmed: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Applied | None:
        """From its document; None for none. Fields of newer versions are left out."""
        if document is None:
            return None
        return cls(**{name: document[name] for name in cls.__match_args__ if name in document})


def read_applied(store: Store) -> Applied | None:
    """What was loaded last; None for nothing. Raises UnreadableError for a damaged record."""
    try:
        found = Applied.of(store.read(APPLIED))
    except TypeError:
        raise store.damaged(APPLIED) from None
    if found is not None and found.backend not in BACKENDS:
        raise store.damaged(APPLIED)
    return found


@record
class Snapshot:
    """Backend -> its own objects as they were, and the record of them (None: nothing of ours)."""

    own: dict[str, Own]
    applied: dict[str, Any] | None = None


def put_back(store: Store, snapshot: Snapshot) -> None:
    """Makes our objects, the record and what is loaded at boot be those of the snapshot.

    A backend that had rules comes first, so that there is no moment without any. Raises
    BackendError after having tried all.
    """
    from rules.lifecycle.persist import persist

    failures = [
        error
        for name, own in sorted(snapshot.own.items(), key=lambda item: not item[1])
        if (error := _failure(name, own))
    ]
    if snapshot.applied is None:
        store.remove(APPLIED)
    else:
        store.write(APPLIED, snapshot.applied)
    applied = Applied.of(snapshot.applied)
    persist(store, applied if applied and applied.confirmed else None)
    if failures:
        raise failures[0]


def _failure(name: str, own: Own) -> Exception | None:
    try:
        backend(name).restore(own)
    except CommandError as error:
        # Nothing of ours can be where its program is not even installed.
        return None if not own and error.reason == "absent" else error
    except Exception as error:  # noqa: BLE001 - the other backend must come back all the same
        return error
    return None
