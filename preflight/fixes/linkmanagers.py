"""Interfaces of the pod network that nobody else is to configure."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.linkmanagers import FOREIGN, wanted_links
from preflight.fixes.ownfile import own_file
from preflight.fixes.registry import Context, fix
from preflight.fixes.steps import Note, Step

_NETWORKMANAGER = "/etc/NetworkManager/conf.d/99-nodeprep.conf"
# The first file that matches counts, and of networkd's own the last one that has the key.
_NETWORK = "/etc/systemd/network/0-nodeprep.network"
_NETWORKD = "/etc/systemd/networkd.conf.d/zzz-nodeprep.conf"


@fix("cni-links-unmanaged")
def cni_links_unmanaged(context: Context) -> Iterator[Step | Note]:
    """A drop-in for each service that would take them."""
    links = wanted_links(context.target)
    if "NetworkManager" in context.subjects:
        yield own_file(
            _NETWORKMANAGER,
            "networkmanager.conf.j2",
            context.id,
            effects=(("systemctl", "reload", "NetworkManager.service"),),
            links=links,
        )
    if "systemd-networkd" in context.subjects:
        yield own_file(
            _NETWORK,
            "networkd.network.j2",
            context.id,
            effects=(("networkctl", "reload"),),
            links=links,
        )
    if FOREIGN in context.subjects:
        # Read when networkd starts, which is when it would remove them: no restart is needed.
        yield own_file(_NETWORKD, "networkd.conf.j2", context.id)
