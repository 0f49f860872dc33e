"""A file or a symbolic link, with mode, owner and extended attributes (SELinux label, ACL)."""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import stat
from typing import Any

from preflight.fixes.steps import FixError, State
from rules.files import sync_directory

# The kernel or an agent keeps these by itself, and they belong to the bytes of one inode.
_NOT_OURS = frozenset({"security.ima", "security.evm"})
_ACL = "system.posix_acl_access"
_COMPARED = ("link", "text", "mode", "uid", "gid")
# Everybody reads /etc; what is secret has a mode of its own.
DIRECTORY_MODE = 0o755
LIMIT_BYTES = 16 * 1024 * 1024


def temporary(path: str) -> str:
    """Where the new file is written before it gets its name: one place, so that none is left."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.nodeprep-new")


def read(name: str) -> State:
    """None, ``{"link": target}``, or text (bytes that are no UTF-8 as surrogates) and attributes.

    Raises FixError for what is neither a file nor a link, and for what may not be read.
    """
    try:
        info = os.lstat(name)
        if stat.S_ISLNK(info.st_mode):
            return {"link": os.readlink(name)}
        if not stat.S_ISREG(info.st_mode):
            raise FixError(f"{name} is not a regular file")
        if info.st_size > LIMIT_BYTES:
            raise FixError(f"{name} is larger than {LIMIT_BYTES // 1024 // 1024} MiB")
        with open(name, "rb") as stream:
            data = stream.read()
        return {
            "text": data.decode("utf-8", "surrogateescape"),
            "mode": stat.S_IMODE(info.st_mode),
            "uid": info.st_uid,
            "gid": info.st_gid,
            "xattrs": _xattrs(name),
            "mtime_ns": info.st_mtime_ns,
        }
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FixError(f"{name}: cannot be read: {error.strerror}") from None


def _xattrs(name: str) -> dict[str, str]:
    try:
        names = os.listxattr(name)
    except OSError:  # this file system has none
        return {}
    return {
        each: base64.b64encode(os.getxattr(name, each)).decode()
        for each in names
        if each not in _NOT_OURS
    }


def write(name: str, state: State) -> None:
    """Puts the file there by rename; None takes it away. Raises FixError, nothing half written."""
    clean(name)
    directory = os.path.dirname(name) or "."
    try:
        if state is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        else:
            _make(temporary(name), state)
            os.replace(temporary(name), name)
    except OSError as error:
        with contextlib.suppress(FixError):
            clean(name)
        # A container's own /etc/hosts, say: renaming over it cannot be.
        hint = "; something is mounted on it" if error.errno == errno.EBUSY else ""
        raise FixError(f"{name}: cannot be written: {error.strerror}{hint}") from None
    sync_directory(directory)


def _make(place: str, state: dict[str, Any]) -> None:
    if "link" in state:
        os.symlink(state["link"], place)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(place, flags, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(state["text"].encode("utf-8", "surrogateescape"))
        stream.flush()
        if (state["uid"], state["gid"]) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, state["uid"], state["gid"])
        # What the directory's default ACL gave it is not what the file had.
        if "xattrs" in state and _ACL not in state["xattrs"]:
            _remove_acl(descriptor)
        # After the owner, whose change takes set-user-ID away.
        os.fchmod(descriptor, state["mode"])
        for each, value in state.get("xattrs", {}).items():
            os.setxattr(descriptor, each, base64.b64decode(value))
        if "mtime_ns" in state:
            os.utime(descriptor, ns=(state["mtime_ns"], state["mtime_ns"]))
        os.fsync(descriptor)


def _remove_acl(descriptor: int) -> None:
    try:
        os.removexattr(descriptor, _ACL)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise


def clean(name: str) -> None:
    """Removes what a run that was killed left beside the file. Raises FixError."""
    try:
        os.unlink(temporary(name))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        # A read-only file system refuses before it looks.
        if not os.path.lexists(temporary(name)):
            return
        raise FixError(f"{temporary(name)}: cannot be removed: {error.strerror}") from None


def missing_directories(name: str) -> list[str]:
    """The directories above a path that are not there, the outermost first."""
    missing: list[str] = []
    directory = os.path.dirname(name)
    while directory and not os.path.lexists(directory):
        missing.insert(0, directory)
        directory = os.path.dirname(directory)
    return missing


def make_directories(directories: list[str]) -> None:
    """Makes them, mode 0755. Raises FixError."""
    for directory in directories:
        try:
            os.mkdir(directory)
            os.chmod(directory, DIRECTORY_MODE)  # whatever the umask is
        except FileExistsError:
            continue
        except OSError as error:
            raise FixError(f"{directory}: cannot be made: {error.strerror}") from None
        sync_directory(os.path.dirname(directory))


def remove_directories(directories: list[str]) -> None:
    """Removes those that are empty: what somebody else put into one keeps it."""
    for directory in reversed(directories):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def same(one: State, other: State) -> bool:
    """By content and attributes; the time says nothing.

    A file that is to be made has no ``xattrs``: its directory and the system's policy give them.
    """
    if one is None or other is None:
        return one is other
    if "xattrs" in one and "xattrs" in other and one["xattrs"] != other["xattrs"]:
        return False
    return all(one.get(field) == other.get(field) for field in _COMPARED)


def shown(name: str, state: State) -> str | None:
    """The text, or where a link leads."""
    if state is None:
        return None
    text: str = f"-> {state['link']}\n" if "link" in state else state["text"]
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
