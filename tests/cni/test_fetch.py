"""Archives from a real https server, and all the ways in which it may go wrong."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from preflight.cni import archive, fetch
from preflight.cni.archive import read_archive
from preflight.cni.releases import RELEASES
from rules.errors import NodeprepError, UsageError
from tests.cni.test_archive import tar
from tests.cni.webserver import serve

DATA = tar(("bridge", os.urandom(100_000)))
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    with serve(DATA, tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
def server(served: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> str:
    """Its URL; its certificate is trusted."""
    url, certificate = served
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return url


@pytest.mark.parametrize("path", ["whole", "unannounced", "moved"])
def test_an_archive_comes_whole(server: str, path: str) -> None:
    found, origin = read_archive(f"{server}/{path}", DIGEST)
    assert list(found) == ["bridge"]
    assert origin == f"sha256 {DIGEST}"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("whole", f"has sha256 {DIGEST}, and {'0' * 64} was asked for"),
        ("page", "and 0000"),
        ("truncated", f"ended after 1000 of {len(DATA)} bytes"),
        ("absent", "HTTP Error 404"),
        ("large", "is larger than 200 MiB"),
        ("plain", "leads on to 'http://127.0.0.1"),
        ("local", "Redirection to url 'file:///etc/passwd' is not allowed"),
        ("circle", "infinite loop"),
    ],
    # The data, and so what is said of it, is another one in each process.
    ids=["whole", "page", "truncated", "absent", "large", "plain", "local", "circle"],
)
def test_what_is_not_the_archive_is_refused(server: str, path: str, said: str) -> None:
    with pytest.raises(NodeprepError) as caught:
        read_archive(f"{server}/{path}", "0" * 64)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{server}/{path}: ")
    assert "\n" not in str(caught.value)


def test_without_a_sha256_only_known_releases_count(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NodeprepError, match="is of no known release"):
        read_archive(f"{server}/whole")
    monkeypatch.setattr(archive, "RELEASES", {DIGEST: ("9.9.9", "amd64")})
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert read_archive(f"{server}/whole")[1] == "release 9.9.9 for amd64"


def test_a_server_that_never_ends(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ARCHIVE_LIMIT_BYTES", 3 << 20)
    with pytest.raises(NodeprepError, match="is larger than 3 MiB"):
        read_archive(f"{server}/endless", DIGEST)


@pytest.mark.parametrize(
    ("path", "said"), [("silent", "timed out"), ("drip", "is not here after 0 s")]
)
def test_a_server_that_is_too_slow(
    server: str, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    monkeypatch.setattr(fetch, "SILENCE_LIMIT_S", 0.3)
    monkeypatch.setattr(fetch, "WHOLE_LIMIT_S", 0.4)
    with pytest.raises(NodeprepError, match=said):
        read_archive(f"{server}/{path}", DIGEST)


def test_a_server_that_nobody_vouches_for(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(NodeprepError, match="certificate verify failed"):
        read_archive(f"{server}/whole", DIGEST)


def test_nobody_there() -> None:
    with socket.socket() as bound:  # and nobody listens
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(NodeprepError, match="Connection refused"):
            read_archive(f"https://127.0.0.1:{bound.getsockname()[1]}/whole", DIGEST)


def test_a_release_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetched(url: str, limit_bytes: int) -> bytes:
        asked.append(url)
        return b"not that release"

    monkeypatch.setattr(archive, "fetch", fetched)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(NodeprepError, match="is of no known release"):
        read_archive("v1.9.1")
    assert asked[0].endswith("/v1.9.1/cni-plugins-linux-arm64-v1.9.1.tgz")
    with pytest.raises(
        UsageError, match=r"no release 1\.6\.1 for arm64 is known; known are .*1\.9"
    ):
        read_archive("1.6.1")
    assert ("1.6.1", "arm64") not in RELEASES.values()
