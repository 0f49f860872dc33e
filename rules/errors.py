"""The one tree of errors. Whatever a person can cause ends as one line and an exit code."""

from __future__ import annotations

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNDETERMINED = 3
# 128 + SIGINT, as shells report it.
EXIT_INTERRUPTED = 130


class NodeprepError(Exception):
    """Something that stops a command. ``str()`` is one line for a person.

    ``exit_code`` follows the contract: 1 refused or failed, 2 wrong usage or configuration,
    3 undetermined or internal.
    """

    exit_code = EXIT_UNDETERMINED


class UsageError(NodeprepError):
    """A flag, a name or an argument that nodeprep does not know."""

    exit_code = EXIT_USAGE


class ConfigError(NodeprepError):
    """Input that cannot be used: names the file, the place in it and the remedy."""

    exit_code = EXIT_USAGE

    def __init__(
        self, source: str, problem: str, *, line: int | None = None, key: str = ""
    ) -> None:
        place = source if line is None else f"{source}:{line}"
        super().__init__(f"{place}: {key}: {problem}" if key else f"{place}: {problem}")
        self.source, self.problem, self.line, self.key = source, problem, line, key


class CommandError(NodeprepError):
    """A program that could not be run to its end. ``reason`` tells the four causes apart.

    ``absent`` (not installed), ``denied`` (may not be run or read), ``timeout``, ``failed``
    (an exit code that the caller did not allow, or text that it cannot read).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[CommandError], tuple[str, str]]:
        """For a process that hands its error to another."""
        return type(self), (self.reason, str(self))
