"""Run in a machine: what services say, all asked at the same time.

Arguments: ADDRESS PORT pairs. Prints a JSON list: the line that was said, "refused", or "silent".
"""

from __future__ import annotations

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

# A SYN that is lost is sent again after 1 s.
_SILENT_AFTER_S = 1.5


def ask(place: tuple[str, str]) -> str:
    """One connection."""
    address, port = place
    try:
        with socket.create_connection((address, int(port)), timeout=_SILENT_AFTER_S) as peer:
            return peer.makefile().readline().rstrip("\n")
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silent"


if __name__ == "__main__":
    places = list(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    with ThreadPoolExecutor(len(places)) as pool:
        print(json.dumps(list(pool.map(ask, places))))
