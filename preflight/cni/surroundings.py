"""What an installation must know of the host: plugins, rival files, modules, routes, filters."""

from __future__ import annotations

import os
import socket

from preflight.cni.compose import FILE_NAME, programs
from preflight.cni.forwarding import Doors, find_doors
from preflight.cni.installed import locate
from preflight.cni.kinds import KINDS, InstallError
from preflight.cni.layout import Extras, Place, needed_modules, other_ranges
from preflight.cni.plan import Planned
from preflight.cni.routefiles import route_files
from preflight.cni.routes import way_to
from preflight.cni.spec import EXTENSIONS
from preflight.facts.cnifiles import DEFAULT_PLUGIN_DIRS
from preflight.facts.host import Host
from preflight.facts.model import Unknown
from preflight.facts.modules import read_modules

_TIMEOUT_S = 20.0
_NETWORK_MANAGER = "/run/NetworkManager"


def find_extras(
    planned: Planned,
    place: Place,
    *,
    archive: dict[str, bytes],
    packaged: str,
    displace: bool,
    boot_dir: str,
    routes_by: str,
) -> tuple[Extras, list[str]]:
    """(what is to be laid down beside the configuration, what is odd, a line each).

    ``packaged``: where a package that is to be installed lays plugins down; empty for none.
    Raises InstallError for what stands in the way.
    """
    warnings: list[str] = []
    _carried(planned)
    links = _links(planned, place, archive, packaged)
    routes = _routes(planned, warnings)
    covered = all(
        any(subnet.version == one.version and subnet.subnet_of(one)  # type: ignore[arg-type]
            for one in planned.wanted.pod_subnets)
        for subnet in planned.wanted.subnets
    )  # fmt: skip
    if planned.wanted.masquerade == "node" and not covered:
        warnings.append(
            "the cluster's pod range is not known: packets to pods of other nodes get this node's "
            "address; name it with networking.podSubnet in the cluster file"
        )
    return Extras(
        plugins=archive,
        links=links,
        displaced=rivals(place.conf_dir, displace=displace),
        modules=_loadable(planned),
        routes=routes,
        doors=_doors(planned),
        boot_dir=boot_dir,
        network_manager=os.path.isdir(_NETWORK_MANAGER),
        route_files=route_files(routes_by, routes),
    ), warnings


def _carried(planned: Planned) -> None:
    """Raises InstallError where the link that is to carry the pods is not on this host."""
    wanted = planned.wanted
    if wanted.plugin in ("vlan", "ipvlan", "macvlan"):
        try:
            socket.if_nametoindex(wanted.master)
        except OSError:
            raise InstallError(
                f"--master {wanted.master}: this host has no such link; see: ip -br link"
            ) from None


def _links(
    planned: Planned, place: Place, archive: dict[str, bytes], packaged: str
) -> dict[str, str]:
    """Plugins that the runtime does not find, and that are elsewhere on this host."""
    usual = tuple(path for path in DEFAULT_PLUGIN_DIRS if path not in place.plugin_dirs)
    links: dict[str, str] = {}
    missing = []
    first = place.plugin_dirs[0]
    for kind in dict.fromkeys(programs(planned.wanted)):
        if kind in archive:
            continue
        if found := locate(kind, place.plugin_dirs):
            # A link of ours from an earlier run stays wanted.
            if found == f"{first}/{kind}" and os.path.islink(found):
                links[kind] = os.readlink(found)
            continue
        if found := locate(kind, usual):
            links[kind] = found
        elif packaged:
            if packaged not in place.plugin_dirs:
                links[kind] = f"{packaged}/{kind}"
        else:
            missing.append(kind)
    if missing:
        raise InstallError(
            f"{', '.join(missing)}: not in {', '.join((*place.plugin_dirs, *usual))}; give a "
            "release with --archive FILE, or install the distribution's package with --package"
        )
    return links


def rivals(conf_dir: str, *, displace: bool) -> dict[str, str]:
    """Configuration files that runtimes would take before ours: path -> state.

    Raises InstallError where there are any and nobody said that they may be put aside.
    """
    try:
        names = sorted(os.listdir(conf_dir), key=os.fsencode)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InstallError(f"{conf_dir}: cannot be read: {error.strerror}") from None
    before = [
        name
        for name in names
        if name.endswith(EXTENSIONS)
        and os.fsencode(name) < os.fsencode(FILE_NAME)
        # Runtimes pass directories over, whatever they are called.
        and not os.path.isdir(f"{conf_dir}/{name}")
    ]
    found = {f"{conf_dir}/{name}": KINDS["file"].read(f"{conf_dir}/{name}") for name in before}
    if found and not displace:
        raise InstallError(
            f"{', '.join(found)}: comes before {FILE_NAME}, and the runtime would take that; take "
            "it away, or put it aside with --displace"
        )
    return {path: state for path, state in found.items() if state is not None}


def _loadable(planned: Planned) -> tuple[str, ...]:
    """The modules that this kind of network needs and that are not built in: loaded or not yet."""
    needed = needed_modules(planned)
    unknown = Unknown("not-asked", "the kernel's configuration")
    modules = read_modules(Host(offline=True), os.uname().release, unknown)
    return tuple(
        item.name
        for item in modules
        if item.name in needed and item.state in ("loadable", "loaded")
    )


def _routes(planned: Planned, warnings: list[str]) -> tuple[tuple[str, str], ...]:
    """A route to each other node's pods, by its address on a link of this node."""
    if planned.wanted.plugin not in ("bridge", "ptp"):
        return ()
    routes = []
    for name, subnet, addresses in other_ranges(planned):
        hops = [one for one in addresses if (":" in one) == (subnet.version == 6)]
        way = next((way for hop in hops if (way := way_to(hop))), "")
        if way:
            routes.append((str(subnet), way))
        else:
            shown = ", ".join(hops) or f"no address of IPv{subnet.version}"
            warnings.append(
                f"{name} ({shown}) is on no link of this node: the router between must have a "
                f"route to {subnet}"
            )
    return tuple(routes)


def _doors(planned: Planned) -> Doors:
    """Pods of the other kinds are on the wire without passing this host's FORWARD."""
    if planned.wanted.plugin not in ("bridge", "ptp"):
        return Doors()
    return find_doors(subnet.version for subnet in planned.wanted.subnets)
