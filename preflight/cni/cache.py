"""libcni's cache of results, so that a runtime's tools can undo what was added here.

The format is that of libcni/api.go (https://github.com/containernetworking/cni): a file
``<network>-<container>-<interface>`` of kind ``cniCacheV1``, directories 0700, files 0600.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import Any

from preflight.cni.attachment import Attachment
from rules.errors import EXIT_FAILED, NodeprepError
from rules.files import write_atomic

DEFAULT_CACHE_DIR = "/var/lib/cni"
KIND = "cniCacheV1"


class CacheError(NodeprepError):
    """The cache cannot be read or written."""

    exit_code = EXIT_FAILED


def cache_path(network: str, attachment: Attachment, directory: str = DEFAULT_CACHE_DIR) -> str:
    """The file of one attachment; network and ids are validated and hold no slash."""
    name = f"{network}-{attachment.container}-{attachment.interface}"
    return os.path.join(directory, "results", name)


def write(
    network: str,
    config: Mapping[str, Any],
    attachment: Attachment,
    result: Mapping[str, Any],
    directory: str = DEFAULT_CACHE_DIR,
) -> str:
    """Keeps the final result of an ADD; the path. Raises CacheError where it cannot be written."""
    body: dict[str, Any] = {
        "kind": KIND,
        "containerId": attachment.container,
        "config": base64.b64encode(json.dumps(config).encode()).decode(),
        "ifName": attachment.interface,
        "networkName": network,
        "netns": attachment.netns,
        "result": result,
    }
    if attachment.arguments:
        body["cniArgs"] = [list(pair) for pair in attachment.arguments]
    if attachment.capabilities:
        body["capabilityArgs"] = dict(attachment.capabilities)
    path = cache_path(network, attachment, directory)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        write_atomic(path, json.dumps(body), mode=0o600)
    except OSError as error:
        raise CacheError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def read(
    network: str, attachment: Attachment, directory: str = DEFAULT_CACHE_DIR
) -> dict[str, Any] | None:
    """What was kept of an attachment; None where nothing was. Raises CacheError if damaged."""
    path = cache_path(network, attachment, directory)
    try:
        with open(path, encoding="utf-8") as stream:
            body = json.load(stream)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CacheError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise CacheError(f"{path}: is damaged") from None
    if not isinstance(body, dict) or body.get("kind") != KIND:
        raise CacheError(f"{path}: is no result of libcni")
    return body


def remove(network: str, attachment: Attachment, directory: str = DEFAULT_CACHE_DIR) -> bool:
    """Forgets an attachment; whether there was one. Raises CacheError where it cannot."""
    path = cache_path(network, attachment, directory)
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise CacheError(f"{path}: cannot be removed: {error.strerror}") from None
    return True
