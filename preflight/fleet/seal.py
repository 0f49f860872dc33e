"""Values that are better not shown, as hashes that can still be compared within one cluster."""

from __future__ import annotations

import hashlib
import hmac

# 128 bits: no two different values of any cluster come out alike.
DIGITS = 32


def seal(cluster: str, kind: str, value: str) -> str:
    """HMAC-SHA256 of ``kind`` and ``value`` under the cluster's name, 32 hexadecimal digits.

    machine-id(5) asks that a machine ID be shown to nobody and be hashed with a key that the
    application chooses. The key is no secret: what is sealed has 122 random bits or more.
    """
    told = f"{kind}\0{value}".encode("utf-8", "surrogateescape")
    return hmac.new(cluster.encode(), told, hashlib.sha256).hexdigest()[:DIGITS]
