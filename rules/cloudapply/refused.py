"""Why a change in a cloud is not made."""

from __future__ import annotations

from rules.errors import EXIT_FAILED, NodeprepError


class Refused(NodeprepError):
    """The change was not begun; ``str()`` says why. Nothing was written."""

    exit_code = EXIT_FAILED
