"""The state directory: journals, snapshots and armed rollbacks, written by rename, one at a time.

Documents are JSON objects with ``version``; a newer program reads the documents of an older one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rules.errors import EXIT_FAILED, EXIT_UNDETERMINED, NodeprepError
from rules.files import write_atomic

DEFAULT_DIRECTORY = "/var/lib/nodeprep"
VARIABLE = "NODEPREP_STATE_DIR"
DOCUMENT_VERSION = 1
_POLL_S = 0.05
_OTHERS_WRITE = 0o022


class StateError(NodeprepError):
    """The state directory cannot be used, or another nodeprep holds it."""

    exit_code = EXIT_FAILED


def state_directory(environ: Mapping[str, str] | None = None) -> Path:
    """``NODEPREP_STATE_DIR`` or ``/var/lib/nodeprep``, whether it exists or not."""
    variables = os.environ if environ is None else environ
    return Path(variables.get(VARIABLE) or DEFAULT_DIRECTORY).absolute()


class UnreadableError(StateError):
    """What the state directory holds may not be read, or is damaged: nobody can tell."""

    exit_code = EXIT_UNDETERMINED


def _why(error: OSError) -> str:
    hint = "; run it as root" if isinstance(error, PermissionError) and os.geteuid() else ""
    return f"{error.strerror}{hint}"


def _must_be_ours(directory: Path) -> None:
    """Raises StateError where somebody else could change what root loads, now or at boot."""
    status = directory.stat()
    if status.st_uid not in (0, os.geteuid()):
        raise StateError(
            f"{directory}: belongs to user {status.st_uid}, who could change what is loaded at "
            f"boot; run: chown root {shlex.quote(str(directory))}"
        )
    if status.st_mode & _OTHERS_WRITE:
        raise StateError(
            f"{directory}: others may write there, and so change what is loaded at boot; run: "
            f"chmod go-w {shlex.quote(str(directory))}"
        )


class Store:
    """The part of the state directory that one subject has, such as ``firewall``.

    Reading makes nothing; the directories (mode 0700) are made by the first write or lock, which
    refuse one that belongs to another user or that others may write.
    """

    def __init__(self, subject: str, root: Path | None = None) -> None:
        self.root = state_directory() if root is None else root
        self.path = self.root / subject

    def make(self, *parts: str) -> Path:
        """The subject's directory, or one below it, made where it is missing. Raises StateError
        where it cannot be made."""
        place = self.path.joinpath(*parts)
        try:
            for directory in (self.root, self.path, place):
                if not directory.is_dir():
                    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                    directory.chmod(0o700)
            for directory in (self.root, self.path):
                _must_be_ours(directory)
        except OSError as error:
            raise StateError(f"{place}: cannot be made: {_why(error)}") from None
        return place

    def read(self, name: str) -> dict[str, Any] | None:
        """A document; None where there is none. Raises UnreadableError for one that is damaged."""
        path = self.path / name
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnreadableError(f"{path}: cannot be read: {_why(error)}") from None
        except ValueError:
            raise self.damaged(name) from None
        if not isinstance(value, dict):
            raise self.damaged(name)
        if value.get("version", 0) > DOCUMENT_VERSION:
            raise UnreadableError(f"{path}: is of a newer nodeprep; use that one")
        return value

    def names(self) -> tuple[str, ...]:
        """The files of the subject, sorted; none where it has no directory."""
        try:
            return tuple(sorted(os.listdir(self.path)))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise UnreadableError(f"{self.path}: cannot be read: {_why(error)}") from None

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Writes a document by rename."""
        text = json.dumps({"version": DOCUMENT_VERSION, **document}, sort_keys=True) + "\n"
        self.write_text(name, text)

    def write_text(self, name: str, text: str, *, mode: int = 0o600) -> Path:
        """Writes a file by rename, unless it already says so; its path. Raises StateError where it
        cannot."""
        path = self.path / name
        self.make(*Path(name).parent.parts)
        try:
            if not (path.is_file() and path.read_bytes() == text.encode()):
                write_atomic(path, text, mode=mode)
        except OSError as error:
            raise StateError(f"{path}: cannot be written: {_why(error)}") from None
        return path

    def damaged(self, name: str) -> UnreadableError:
        """The error for a document that lacks what every version of it has."""
        return UnreadableError(f"{self.path / name}: is damaged; remove it")

    def remove(self, name: str) -> bool:
        """Removes a file; whether it was there. Raises StateError where it cannot."""
        try:
            (self.path / name).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StateError(f"{self.path / name}: cannot be removed: {_why(error)}") from None
        return True

    @contextlib.contextmanager
    def lock(self, *, timeout_s: float = 10.0) -> Iterator[None]:
        """Held by one process at a time; the kernel lets go of it when that process ends. Raises
        StateError where another holds it too long."""
        path = self.make() / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"{path}: cannot be opened: {_why(error)}") from None
        try:
            deadline = time.monotonic() + timeout_s
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() >= deadline:
                        raise StateError(
                            f"another nodeprep has been changing the {self.path.name} for "
                            f"{timeout_s:g} s; run this again when it is done"
                        ) from None
                    time.sleep(_POLL_S)
            yield
        finally:
            os.close(descriptor)
