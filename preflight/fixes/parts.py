"""What other parts of nodeprep do: firewall rules, and last the switch that is a pod network."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.fixes.registry import Context, fix
from preflight.fixes.steps import Note, Step, set_to

# Kind of resource -> the checks whose failure it mends. The pod network comes last: by it a runtime
# calls the node ready.
PARTS = {
    "firewall": ("firewall-admits", "firewall-forwards"),
    "pod-network": ("cni-conf-winner",),
}


@fix(*PARTS["firewall"])
def firewall(context: Context) -> Iterator[Step | Note]:
    """Opens what the role needs, by the owner of the packet filter; never closes anything."""
    yield from _part(context, "firewall")


@fix(*PARTS["pod-network"])
def pod_network(context: Context) -> Iterator[Step | Note]:
    """Lays the bridge network down, where it is the wanted one and its pod range is known."""
    yield from _part(context, "pod-network")


def _part(context: Context, kind: str) -> Iterator[Step | Note]:
    if reason := context.options.refused.get(kind):
        yield Note(f"{context.id}: {reason}")
    elif kind in context.options.parts:
        yield set_to(kind, "of this host", context.options.parts[kind], context.id)
