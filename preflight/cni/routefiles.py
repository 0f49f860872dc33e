"""Routes to other nodes' pods in the files of whoever brings this host's network up."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from rules.errors import CommandError, UsageError
from rules.render.templating import fill
from rules.run import run
from rules.words import wrong_choice

WRITERS = ("unit", "networkd", "networkmanager", "netplan")
NETPLAN_PATH = "/etc/netplan/90-nodeprep-pods.yaml"
DISPATCHER_PATH = "/etc/NetworkManager/dispatcher.d/50-nodeprep-pods"
NETWORKD_DIRS = ("/etc/systemd/network", "/run/systemd/network", "/usr/lib/systemd/network")
_TIMEOUT_S = 10.0
_WAY = re.compile(r"via (\S+) dev (\S+)")
# netplan refuses to read files that others may read; a dispatcher script must be executable.
_MODES = {"netplan": 0o600, "networkmanager": 0o755, "networkd": 0o644}

Routes = Sequence[tuple[str, str]]


def route_files(writer: str, routes: Routes) -> dict[str, tuple[str, int]]:
    """Path -> (text, mode). None for ``unit``: our own script at boot does it.

    ``routes`` are (range, ``via ADDRESS dev LINK``). Raises UsageError, CommandError.
    """
    if writer not in WRITERS:
        raise wrong_choice("--routes", writer, WRITERS)
    links = by_link(routes)
    if writer == "unit" or not links:
        return {}
    mode = _MODES[writer]
    if writer == "netplan":
        return {NETPLAN_PATH: (fill("cni/netplan.yaml.j2", links=_named(links)), mode)}
    if writer == "networkmanager":
        return {DISPATCHER_PATH: (fill("cni/dispatcher.sh.j2", links=list(links.items())), mode)}
    return {
        f"/etc/systemd/network/{network_file(link)}.d/nodeprep-pods.conf": (
            fill("cni/networkd.conf.j2", routes=found),
            mode,
        )
        for link, found in links.items()
    }


def by_link(routes: Routes) -> dict[str, list[tuple[str, str]]]:
    """Link -> its (range, next hop)."""
    links: dict[str, list[tuple[str, str]]] = {}
    for destination, way in routes:
        match = _WAY.fullmatch(way)
        if match is not None:
            links.setdefault(match[2], []).append((destination, match[1]))
    return links


def _named(links: dict[str, list[tuple[str, str]]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Names as YAML takes them for certain: JSON's text is YAML too."""
    return [(json.dumps(link), found) for link, found in links.items()]


def network_file(link: str) -> str:
    """The name of the .network file by which systemd-networkd has set a link up. Raises
    CommandError where networkctl does not tell, UsageError where networkd does not manage it."""
    try:
        text = run(["networkctl", "status", "--no-pager", link], timeout_s=_TIMEOUT_S).stdout
    except CommandError as error:
        raise CommandError(
            error.reason, f"which file networkd has for {link} is not known: {error}"
        ) from None
    return parse_network_file(text, link)


def parse_network_file(text: str, link: str) -> str:
    """``Network File: /etc/systemd/network/10-lan.network`` -> ``10-lan.network``. Raises
    UsageError where networkd does not manage the link."""
    match = re.search(r"^\s*Network File: (\S+\.network)\s*$", text, re.MULTILINE)
    if match is None:
        raise UsageError(f"networkd does not manage {link}: choose another --routes")
    return match[1].rpartition("/")[2]
