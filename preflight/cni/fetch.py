"""One file from an https server: all of it, from https only, within a time and a size."""

from __future__ import annotations

import time
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from rules.errors import EXIT_FAILED, NodeprepError, UsageError

# Without a byte, and in all: the largest release takes a minute over 1 MB/s.
SILENCE_LIMIT_S = 30.0
WHOLE_LIMIT_S = 600.0
_PIECE_BYTES = 256 * 1024


class FetchError(NodeprepError):
    """The file did not come, or not all of it. ``str()`` names the URL and says why."""

    exit_code = EXIT_FAILED


class _OnlyHttps(HTTPRedirectHandler):
    """A server that sends us on to plain http, or to a file, is not followed."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if not newurl.startswith("https://"):
            fp.close()
            raise URLError(f"leads on to {newurl[:200]!r}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(url: str, limit_bytes: int) -> bytes:
    """The file's bytes. Certificates are checked with the system's store (or SSL_CERT_FILE).

    Raises FetchError: no answer, an error, a redirect that leaves https, less than was announced,
    more than ``limit_bytes``, or too slow. UsageError for another kind of URL.
    """
    if not url.startswith("https://"):
        raise UsageError(f"--archive takes a path or an https URL, not {url!r}")
    end = time.monotonic() + WHOLE_LIMIT_S
    try:
        with _opener().open(url, timeout=SILENCE_LIMIT_S) as answer:
            announced = answer.length
            if announced is not None and announced > limit_bytes:
                raise FetchError(f"{url}: {_too_large(limit_bytes)}")
            data = bytearray()
            while piece := answer.read1(_PIECE_BYTES):
                data += piece
                if len(data) > limit_bytes:
                    raise FetchError(f"{url}: {_too_large(limit_bytes)}")
                if time.monotonic() > end:
                    raise FetchError(f"{url}: is not here after {WHOLE_LIMIT_S:.0f} s")
    except (URLError, OSError, ValueError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()
        reason = " ".join(str(error.reason if type(error) is URLError else error).split())
        raise FetchError(
            f"{url}: cannot be fetched: {reason[:300] or type(error).__name__}"
        ) from None
    if announced is not None and len(data) < announced:
        raise FetchError(f"{url}: ended after {len(data)} of {announced} bytes")
    return bytes(data)


def _opener() -> OpenerDirector:
    """As urllib's own, proxies of the environment included; no handler for files and ftp counts,
    since nothing but https is ever asked for."""
    return build_opener(_OnlyHttps, HTTPSHandler)


def _too_large(limit_bytes: int) -> str:
    return f"is larger than {limit_bytes >> 20} MiB"
