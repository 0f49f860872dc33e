"""The tables of nf_tables by the kernel's own list, for a host where nft is not installed."""

from __future__ import annotations

import errno
from importlib import import_module
from typing import Any

from rules.errors import CommandError

# enum nf_inet_hooks of the kernel -> the family's word in nft.
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_NOT_THERE = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT})


def nft_tables() -> tuple[tuple[str, str], ...]:
    """(family, name) of each table of this network namespace; none where the kernel has no
    nf_tables. Raises CommandError: ``denied`` or ``failed``."""
    netlink: Any = import_module("pyroute2.netlink.exceptions")
    nftables: Any = import_module("pyroute2.nftables.main")
    try:
        with nftables.NFTables(nfgen_family=0) as kernel:
            messages = kernel.get_tables()
    except (netlink.NetlinkError, OSError) as error:
        number = getattr(error, "code", None) or getattr(error, "errno", None)
        if number in _NOT_THERE:
            return ()
        reason = "denied" if number in (errno.EPERM, errno.EACCES) else "failed"
        raise CommandError(reason, f"the kernel's list of nft tables: {error}") from error
    return tuple(
        (
            _FAMILIES.get(message["nfgen_family"], str(message["nfgen_family"])),
            str(message.get_attr("NFTA_TABLE_NAME")),
        )
        for message in messages
    )
