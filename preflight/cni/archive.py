"""Plugins out of a release archive: checked against a known sha256, and nothing but plain files."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import tarfile
from typing import IO

from preflight.cni.fetch import fetch
from preflight.cni.releases import ARCHITECTURES, RELEASES, archive_url
from rules.errors import EXIT_FAILED, ConfigError, NodeprepError, UsageError

# The largest release holds about 50 MB; unpacked under 100.
ARCHIVE_LIMIT_BYTES = 200 * 1024 * 1024
UNPACKED_LIMIT_BYTES = 400 * 1024 * 1024
MEMBERS_LIMIT = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,60}")
_RELEASE = re.compile(r"v?(\d+\.\d+\.\d+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Files of the releases that are no plugins.
_TEXTS = frozenset({"LICENSE", "README.md"})


class ArchiveError(NodeprepError):
    """The archive is not what it should be; nothing of it was used."""

    exit_code = EXIT_FAILED


def read_archive(place: str, sha256: str = "") -> tuple[dict[str, bytes], str]:
    """(plugin -> its bytes, what the archive is) of a path, an https URL or a release (v1.9.1).

    ``sha256`` is what the operator says it must have; without, it must be a known release for
    this machine. Raises ArchiveError, FetchError, ConfigError, UsageError.
    """
    wanted = sha256.strip().lower()
    if wanted and not _SHA256.fullmatch(wanted):
        raise UsageError(f"--sha256 is 64 hexadecimal digits, not {sha256!r}")
    machine = ARCHITECTURES.get(platform.machine(), platform.machine())
    place = _published(place, machine)
    data = fetch(place, ARCHIVE_LIMIT_BYTES) if "://" in place else _read(place)
    if not data:
        raise ArchiveError(f"{place}: is empty")
    found = hashlib.sha256(data).hexdigest()
    known = RELEASES.get(found)
    if wanted and wanted != found:
        raise ArchiveError(f"{place}: has sha256 {found}, and {wanted} was asked for")
    if not wanted and known is None:
        raise ArchiveError(
            f"{place}: sha256 {found} is of no known release; if you trust it: --sha256 {found}"
        )
    if known is not None and known[1] != machine:
        raise ArchiveError(f"{place}: is for {known[1]}, and this machine is {machine}")
    what = f"release {known[0]} for {known[1]}" if known else f"sha256 {found}"
    return unpack(place, data), what


def _published(place: str, machine: str) -> str:
    """Where a release of that name is published; any other place as it is."""
    match = _RELEASE.fullmatch(place)
    if match is None or os.path.exists(place):
        return place
    if (match[1], machine) not in RELEASES.values():
        names = [name for name, architecture in RELEASES.values() if architecture == machine]
        raise UsageError(
            f"no release {match[1]} for {machine} is known; known are {', '.join(names) or 'none'}"
        )
    return archive_url(match[1], machine)


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            data = stream.read(ARCHIVE_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(path, f"cannot be read: {reason}") from None
    if len(data) > ARCHIVE_LIMIT_BYTES:
        raise ArchiveError(f"{path}: is larger than {ARCHIVE_LIMIT_BYTES >> 20} MiB")
    return data


def unpack(place: str, data: bytes) -> dict[str, bytes]:
    """The plugins of an archive. Any member that is no plain file at its top refuses it all."""
    found: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            for count, member in enumerate(archive):
                if count >= MEMBERS_LIMIT:
                    raise ArchiveError(f"{place}: holds over {MEMBERS_LIMIT} files")
                name = member.name.removeprefix("./")
                if member.isdir() and name in ("", "."):
                    continue
                total += member.size
                if total > UNPACKED_LIMIT_BYTES:
                    raise ArchiveError(f"{place}: unpacks to over {UNPACKED_LIMIT_BYTES >> 20} MiB")
                stream = _member(place, archive, member, name)
                if name not in _TEXTS:
                    found[name] = stream.read()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise ArchiveError(f"{place}: is damaged, or no tar archive: {error}") from None
    except Exception as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"{place}: is damaged: {type(error).__name__}: {error}") from None
    if not found:
        raise ArchiveError(f"{place}: holds no plugin")
    return found


def _member(place: str, archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> IO[bytes]:
    if not member.isreg():
        raise ArchiveError(f"{place}: {name!r} is no plain file (a link or a device)")
    if name not in _TEXTS and not _NAME.fullmatch(name):
        raise ArchiveError(f"{place}: {name!r} is no name of a plugin, or leads out of the archive")
    stream = archive.extractfile(member)
    if stream is None:
        raise ArchiveError(f"{place}: {name!r} has no contents")
    return stream
