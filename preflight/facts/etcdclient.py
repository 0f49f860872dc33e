"""An external etcd: its version over HTTP or TLS, and the files that reach it.

Only imported where one is configured: http.client and ssl take 40 ms to import.
"""

from __future__ import annotations

import http.client
import json
import ssl
from functools import partial
from urllib.parse import urlsplit

from preflight.facts.collect import run_all
from preflight.facts.model.runtime import EtcdFile, EtcdMember
from preflight.settings import EtcdSettings

TIME_LIMIT_S = 2.0
_ANSWER_LIMIT_BYTES = 64 * 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}


def files(settings: EtcdSettings) -> tuple[EtcdFile, ...]:
    """The CA, certificate and key that are configured, and whether each can be read."""
    found = []
    for path in (settings.ca_file, settings.cert_file, settings.key_file):
        if not path:
            continue
        problem = ""
        try:
            with open(path, "rb") as stream:
                stream.read(1)
        except FileNotFoundError:
            problem = "absent"
        except PermissionError:
            problem = "denied"
        except OSError:
            problem = "failed"
        found.append(EtcdFile(path, problem))
    return tuple(found)


def members(settings: EtcdSettings, *, timeout_s: float = TIME_LIMIT_S) -> tuple[EtcdMember, ...]:
    """What each endpoint answers, all asked side by side."""
    answers: dict[str, EtcdMember] = {}

    def ask(endpoint: str) -> None:
        answers[endpoint] = _ask(endpoint, settings, timeout_s)

    # One name look-up may outlast the socket's own limit.
    run_all({endpoint: partial(ask, endpoint) for endpoint in settings.endpoints}, timeout_s * 2)
    late = "no answer in time"
    return tuple(
        answers.get(endpoint, EtcdMember(endpoint, error=late, reason="timeout"))
        for endpoint in settings.endpoints
    )


def _ask(endpoint: str, settings: EtcdSettings, timeout_s: float) -> EtcdMember:
    try:
        connection = _connection(endpoint, settings, timeout_s)
    except PermissionError as error:
        return EtcdMember(endpoint, error=f"{error.filename} may not be read", reason="denied")
    except (OSError, ValueError) as error:
        return EtcdMember(endpoint, error=_said(error), reason="failed")
    try:
        connection.request("GET", "/version", headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read(_ANSWER_LIMIT_BYTES)
        if response.status != http.client.OK:
            return EtcdMember(endpoint, error=f"HTTP status {response.status}", reason="failed")
        return EtcdMember(endpoint, version=parse_version_answer(body))
    except TimeoutError:
        return EtcdMember(endpoint, error="no answer in time", reason="timeout")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return EtcdMember(endpoint, error=_said(error), reason="failed")
    finally:
        connection.close()


def _connection(
    endpoint: str, settings: EtcdSettings, timeout_s: float
) -> http.client.HTTPConnection:
    url = urlsplit(endpoint)
    if url.scheme not in _DEFAULT_PORTS or not url.hostname:
        raise ValueError("is not an http or https URL")
    port = url.port or _DEFAULT_PORTS[url.scheme]
    if url.scheme == "http":
        return http.client.HTTPConnection(url.hostname, port, timeout=timeout_s)
    context = ssl.create_default_context(cafile=settings.ca_file or None)
    if settings.cert_file and settings.key_file:
        # An encrypted key would be asked for on the terminal: an empty password fails instead.
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    return http.client.HTTPSConnection(url.hostname, port, timeout=timeout_s, context=context)


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {error.reason or error}"
    said = error.strerror if isinstance(error, OSError) else str(error)
    return said or type(error).__name__


def parse_version_answer(body: bytes) -> str:
    """``{"etcdserver": "3.5.24", ...}`` -> ``3.5.24``. Raises ValueError."""
    answer = json.loads(body)
    version = answer.get("etcdserver") if isinstance(answer, dict) else None
    if not isinstance(version, str) or not version:
        raise ValueError("its answer does not name an etcd version")
    return version
