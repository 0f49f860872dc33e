"""Eight hosts in three racks, and the faults that are put among them: one table for all labs.

A lab gives the words that the faults are written in, as functions of its shell:

- ``on HOST COMMAND``: on a host, or on the router ``r``, whose link to rack 3 is ``to3``;
- ``wake HOST``, ``rest HOST``: its link goes up with a default route, or down;
- ``occupy HOST PORT``, ``vacate HOST``: a foreign program has the port before nodeprep listens;
- ``clock HOST SECONDS``: how far its clock is off, as nodeprep there sees it;
- ``take_range HOST OTHER``, ``own_range HOST``: whose part of the pods' range the host has.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tests.fleet.lab import Host

CLONE = "clone"
# Whose copy it is.
ORIGINAL = "w2"
HOSTS = (
    Host("m1", "multi-master", 1, 11),
    Host("m2", "multi-master", 1, 12),
    Host("m3", "multi-master", 2, 13),
    Host("w1", "worker", 1, 21),
    Host("w2", "worker", 1, 22),
    Host("w3", "worker", 2, 23),
    Host("w4", "worker", 3, 24),
)
_NUMBERS = {host.name: number for number, host in enumerate(HOSTS)}
# A module for a directory of PYTHONPATH: the clock is as far off as the file beside it says.
CLOCK = """\
import os
import time

ns, seconds, utc = time.time_ns, time.time, time.gmtime
path = os.path.join(os.path.dirname(__file__), "offset")


def off():
    with open(path) as file:
        return int(file.read())


time.time_ns = lambda: ns() + off() * 10**9
time.time = lambda: seconds() + off()
time.gmtime = lambda *at: utc(*at) if at else utc(seconds() + off())
"""


def mac(name: str) -> str:
    """The MAC of a host, which its clone has as well."""
    return f"52:54:00:00:00:{1 + _number(name):02x}"


def pod_range(name: str) -> str:
    """A host's part of the pods' range."""
    return f"10.244.{_number(name)}.0/24"


def identity(name: str) -> dict[str, str]:
    """File -> what is in it. A clone has all of its original, but for the moment of its start."""
    secret = hashlib.sha256(str(_number(name)).encode()).hexdigest()
    started = hashlib.sha256(f"boot of {name}".encode()).hexdigest()
    return {
        "hostname": f"{HOSTS[_number(name)].name}\n",
        "machine-id": f"{secret[:32]}\n",
        "product_uuid": f"{_uuid(secret)}\n",
        "boot_id": f"{_uuid(started)}\n",
    }


def _number(name: str) -> int:
    return _NUMBERS[ORIGINAL if name == CLONE else name]


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


@dataclass(frozen=True)
class Fault:
    """Shell that seeds it and takes it away; ``cards``: whose card it changes."""

    apply: str
    undo: str
    cards: tuple[str, ...] = ()


FAULTS = {
    "clone": Fault(f"wake {CLONE}", f"rest {CLONE}", (CLONE,)),
    "firewall": Fault(
        "on w1 nft 'add table inet guard;"
        " add chain inet guard in { type filter hook input priority 0; };"
        " add rule inet guard in udp dport 8472 drop'",
        "on w1 nft delete table inet guard",
        ("w1",),
    ),
    "one-way": Fault(
        "on r nft 'add table ip way; add chain ip way f { type filter hook forward priority 0; };"
        " add rule ip way f ip saddr 192.0.2.0/24 tcp dport 2380 drop'",
        "on r nft delete table ip way",
    ),
    "rejected": Fault(
        "on r nft 'add table ip no; add chain ip no f { type filter hook forward priority 0; };"
        " add rule ip no f ip saddr 192.0.2.0/24 ip daddr 198.51.100.23 tcp dport 10250"
        " reject with icmp type admin-prohibited'",
        "on r nft delete table ip no",
    ),
    "mtu": Fault(
        "on r ip link set to3 mtu 1400; on r nft 'add table ip eat;"
        " add chain ip eat o { type filter hook output priority 0; };"
        " add rule ip eat o icmp type destination-unreachable icmp code 4 drop'",
        "on r ip link set to3 mtu 1500; on r nft delete table ip eat",
    ),
    "foreign": Fault("occupy m2 10250", "vacate m2"),
    "clock": Fault("clock m3 -300", "clock m3 0", ("m3",)),
    "cidrs": Fault("take_range w3 w1", "own_range w3", ("w3",)),
}
