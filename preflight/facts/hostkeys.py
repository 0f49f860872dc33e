"""SSH host keys: their public halves, as fingerprints."""

from __future__ import annotations

import binascii

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.identity import HostKey

DIRECTORY = "/etc/ssh"


def parse_public_key(path: str, text: str) -> HostKey | None:
    """``ssh-ed25519 AAAA... comment`` -> type and fingerprint; None where it is no key."""
    from hashlib import sha256

    words = text.split(None, 2)
    if len(words) < 2:
        return None
    try:
        blob = binascii.a2b_base64(words[1].encode("ascii"))
    except (ValueError, TypeError):
        return None
    digest = binascii.b2a_base64(sha256(blob).digest(), newline=False).decode().rstrip("=")
    return HostKey(path, words[0], f"SHA256:{digest}")


def collect_host_keys(host: Host) -> Known[tuple[HostKey, ...]]:
    """The public host keys in /etc/ssh, none where no SSH server was ever set up."""
    names = host.listdir(DIRECTORY)
    if isinstance(names, Unknown):
        return () if names.reason == "absent" else names
    keys = []
    for name in names:
        if name.startswith("ssh_host_") and name.endswith("_key.pub"):
            path = f"{DIRECTORY}/{name}"
            text = host.read(path)
            if not isinstance(text, Unknown) and (key := parse_public_key(path, text)):
                keys.append(key)
    return tuple(keys)
