from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from preflight.facts.etcdclient import files, members, parse_version_answer
from preflight.facts.host import Host
from preflight.facts.model import Unknown
from preflight.facts.runtime import collect
from preflight.settings import EtcdSettings, Settings


class Etcd(BaseHTTPRequestHandler):
    """Answers as etcd's /version does."""

    def do_GET(self) -> None:
        if self.path != "/version":
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"etcdserver":"3.5.24","etcdcluster":"3.5.0"}')

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(HTTPServer):
    """Keeps quiet about handshakes that it refuses."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def etcd(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = Server(("127.0.0.1", 0), Etcd)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and a certificate of it that serves for the server and for the client."""
    place = tmp_path_factory.mktemp("pki")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    ca, pair = str(place / "ca.crt"), str(place / "pair.crt")
    ca_key, pair_key = str(place / "ca.key"), str(place / "pair.key")
    usage = "keyUsage=critical,keyCertSign,cRLSign"
    openssl("req", "-x509", *key, "-keyout", ca_key, "-out", ca, "-subj", "/CN=ca", "-days", "2",
            "-addext", usage)  # fmt: skip
    openssl("req", "-x509", *key, "-keyout", pair_key, "-out", pair, "-subj", "/CN=etcd",
            "-CA", ca, "-CAkey", ca_key, "-days", "2", "-addext", "basicConstraints=CA:FALSE",
            "-addext", "subjectAltName=IP:127.0.0.1")  # fmt: skip
    return place


def settings(pki: Path, *endpoints: str) -> EtcdSettings:
    return EtcdSettings(
        endpoints=endpoints,
        ca_file=str(pki / "ca.crt"),
        cert_file=str(pki / "pair.crt"),
        key_file=str(pki / "pair.key"),
    )


def test_version_over_tls_with_a_client_certificate(pki: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "pair.crt", pki / "pair.key")
    context.verify_mode = ssl.CERT_REQUIRED
    with etcd(context) as port:
        url = f"https://127.0.0.1:{port}"
        (member,) = members(settings(pki, url))
        (stranger,) = members(EtcdSettings(endpoints=(url,), ca_file=str(pki / "ca.crt")))
        (distrusted,) = members(EtcdSettings(endpoints=(url,)))
    assert (member.version, member.reason) == ("3.5.24", "")
    assert stranger.reason == "failed"
    assert "not trusted" in distrusted.error


def test_every_endpoint_is_asked(pki: Path) -> None:
    with etcd() as port:
        urls = (f"http://127.0.0.1:{port}", "http://127.0.0.1:1", "ftp://127.0.0.1", "nonsense")
        good, closed, scheme, nonsense = members(EtcdSettings(endpoints=urls))
    assert good.version == "3.5.24"
    assert (closed.reason, closed.error) == ("failed", "Connection refused")
    assert scheme.reason == nonsense.reason == "failed"


def test_nobody_answers() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        (member,) = members(EtcdSettings(endpoints=(url,)), timeout_s=0.05)
    assert member.reason == "timeout"


def test_certificate_files(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("x")
    found = files(
        EtcdSettings(ca_file=str(tmp_path / "ca.crt"), cert_file="/no/such", key_file="/")
    )
    assert [file.problem for file in found] == ["", "absent", "failed"]
    (member,) = members(
        EtcdSettings(endpoints=("https://127.0.0.1:1",), ca_file=str(tmp_path / "ca.crt"))
    )
    assert member.reason == "failed"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"etcdserver": 3}', b'{"etcdserver": ""}', b"\xff"])
def test_answers_that_name_no_version(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_version_answer(body)


def test_offline_sends_nothing(pki: Path) -> None:
    runtime = collect(Host(offline=True), Settings(etcd=settings(pki, "https://127.0.0.1:1")))
    assert isinstance(runtime.external_etcd, Unknown)
    assert runtime.external_etcd.reason == "not-asked"
    assert [file.problem for file in runtime.etcd_files] == ["", "", ""]
