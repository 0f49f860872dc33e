"""Why a call to a cloud did not do what it was to do, whoever carries the call."""

from __future__ import annotations

from rules.errors import EXIT_INTERRUPTED, NodeprepError


class CloudError(NodeprepError):
    """A call that was not answered, or not with what was asked for. ``code``: the cloud's own."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Interrupted(NodeprepError):
    """A person stopped it; ``str()`` says what was done by then."""

    exit_code = EXIT_INTERRUPTED


class Raced(CloudError):
    """What a call was to do is done, or what it was to change has gone: read again."""
