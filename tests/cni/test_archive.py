"""Release archives: what is checked before a byte of one is used."""

from __future__ import annotations

import gzip
import hashlib
import io
import platform
import tarfile
from pathlib import Path

import pytest

from preflight.cni import archive as module
from preflight.cni.archive import ArchiveError, read_archive, unpack
from preflight.cni.releases import RELEASES, archive_url
from rules.errors import ConfigError, NodeprepError, UsageError


def tar(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as made:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                made.addfile(info, io.BytesIO(member[1]))
    return stream.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_plugins_of_an_archive_with_the_sha256_that_was_asked_for(tmp_path: Path) -> None:
    data = tar(special("./", tarfile.DIRTYPE), ("./bridge", b"one"), ("./LICENSE", b"text"))
    path = tmp_path / "plugins.tgz"
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    assert read_archive(str(path), digest.upper()) == ({"bridge": b"one"}, f"sha256 {digest}")


def test_a_sha256_that_is_not_the_archives(tmp_path: Path) -> None:
    path = tmp_path / "plugins.tgz"
    path.write_bytes(tar(("bridge", b"one")))
    with pytest.raises(ArchiveError, match=f"and {'0' * 64} was asked for"):
        read_archive(str(path), "0" * 64)


def test_an_archive_that_nobody_knows_names_its_sha256(tmp_path: Path) -> None:
    data = tar(("bridge", b"one"))
    path = tmp_path / "plugins.tgz"
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=f"--sha256 {hashlib.sha256(data).hexdigest()}"):
        read_archive(str(path))


def test_a_release_for_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tar(("bridge", b"one"))
    path = tmp_path / "plugins.tgz"
    path.write_bytes(data)
    known = {hashlib.sha256(data).hexdigest(): ("1.9.1", "arm64")}
    monkeypatch.setattr(module, "RELEASES", known)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(ArchiveError, match="is for arm64, and this machine is amd64"):
        read_archive(str(path))
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert read_archive(str(path)) == ({"bridge": b"one"}, "release 1.9.1 for arm64")


@pytest.mark.parametrize(
    "member",
    [
        ("../bridge", b"x"),
        ("/opt/cni/bin/bridge", b"x"),
        ("a/../../bridge", b"x"),
        ("sub/bridge", b"x"),
        ("..", b"x"),
        (".hidden", b"x"),
        ("bridge\n", b"x"),
        ("Bridge;rm", b"x"),
        ("b" * 300, b"x"),
        special("bridge", tarfile.SYMTYPE, "/bin/sh"),
        special("bridge", tarfile.LNKTYPE, "host-local"),
        special("bridge", tarfile.CHRTYPE),
        special("bridge", tarfile.FIFOTYPE),
        special("sub", tarfile.DIRTYPE),
    ],
)
def test_a_member_that_is_no_plain_file_at_the_top_refuses_all(
    member: tarfile.TarInfo | tuple[str, bytes],
) -> None:
    with pytest.raises(ArchiveError, match=r"no plain file|no name of a plugin"):
        unpack("x.tgz", tar(("host-local", b"good"), member))


@pytest.mark.parametrize("cut", [0, 1, 10, 40, 80])
def test_a_damaged_archive(cut: int) -> None:
    data = tar(("bridge", bytes(range(256)) * 40))
    with pytest.raises(ArchiveError):
        unpack("x.tgz", data[:cut])


def test_flipped_bytes_never_get_through_as_another_error() -> None:
    data = tar(("bridge", bytes(range(256)) * 4))
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 0xFF
        try:
            found = unpack("x.tgz", bytes(broken))
        except ArchiveError:
            continue
        assert set(found) <= {"bridge"}  # gzip's own header holds a time and a system


def test_an_archive_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNPACKED_LIMIT_BYTES", 1000)
    with pytest.raises(ArchiveError, match="unpacks to over"):
        unpack("x.tgz", tar(("bridge", bytes(2000))))
    monkeypatch.setattr(module, "MEMBERS_LIMIT", 2)
    with pytest.raises(ArchiveError, match="holds over 2 files"):
        unpack("x.tgz", tar(*((f"p{number}", b"") for number in range(3))))


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", gzip.compress(b"x" * 100, mtime=0)])
def test_what_is_no_archive(data: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"no tar archive|holds no plugin"):
        unpack("x.tgz", data)


def test_places_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_archive(str(tmp_path / "absent.tgz"))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_archive(str(tmp_path))
    for url in ("http://example.net/x.tgz", "ftp://example.net/x", "file:///etc/passwd"):
        with pytest.raises(UsageError, match="an https URL"):
            read_archive(url)
    with pytest.raises(NodeprepError, match="64 hexadecimal digits"):
        read_archive("x", "abc")


def test_the_table_of_releases() -> None:
    assert len(RELEASES) == 64
    assert {architecture for _, architecture in RELEASES.values()} == {
        "amd64", "arm64", "arm", "ppc64le",
    }  # fmt: skip
    assert archive_url("1.9.1", "amd64").endswith("/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz")
