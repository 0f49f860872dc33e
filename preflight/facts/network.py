"""Network: interfaces, routes, neighbours, leases, duplicate addresses, name servers, time."""

from __future__ import annotations

from preflight.facts.arp import start_probes
from preflight.facts.host import Host
from preflight.facts.leases import read_leases
from preflight.facts.linkmanagers import collect_link_managers
from preflight.facts.links import start_links
from preflight.facts.model import Unknown
from preflight.facts.model.network import Network
from preflight.facts.names import collect_resolvers
from preflight.facts.neighbours import start_neighbours
from preflight.facts.routes import start_routes
from preflight.facts.timesync import collect_time_sync
from preflight.settings import Settings


def collect(host: Host, settings: Settings) -> Network:
    """The link is asked first, as its answers take longest; the rest is read side by side."""
    interfaces = start_links(host)()
    probes = start_probes(host, interfaces)
    routes, neighbours = start_routes(host), start_neighbours(host)
    tables = routes()
    resolv_conf, upstream, resolved_active = collect_resolvers(host, settings)
    return Network(
        interfaces=interfaces,
        routes=tables.routes,
        neighbours=neighbours(),
        leases=interfaces if isinstance(interfaces, Unknown) else read_leases(host, interfaces),
        resolv_conf=resolv_conf,
        upstream_resolv_conf=upstream,
        resolved_active=resolved_active,
        time_sync=collect_time_sync(host),
        duplicate_probes=probes(),
        other_tables=tables.other_tables,
        link_managers=collect_link_managers(host),
    )
