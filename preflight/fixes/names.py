"""Names: the machine's own, and what /etc/hosts says of it and of localhost."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.addresses import node_address
from preflight.checks.hostname import wanted_name
from preflight.facts.model import known
from preflight.fixes.edits import loopback_in_hosts, name_in_hosts
from preflight.fixes.ownfile import own_file
from preflight.fixes.registry import Context, fix
from preflight.fixes.steps import Note, Step, edit_file, set_to

HOSTS = "/etc/hosts"
_CLOUD_INIT = "/etc/cloud/cloud.cfg.d/zzz-nodeprep.cfg"


@fix("hostname-set", asked=lambda options: bool(options.hostname))
@fix("hostname-valid", "hostname-persistent")
def hostname(context: Context) -> Iterator[Step | Note]:
    """The name that --hostname gives, now and at every boot; without it nothing."""
    name = context.options.hostname
    if not name:
        return
    configured = context.target.settings.node_name
    if configured and configured != name:
        yield Note(f"the configuration calls this node {configured}, and --hostname {name}")
    yield edit_file("/etc/hostname", lambda _text: f"{name}\n", context.id)
    yield set_to("hostname", "of the machine", name, context.id)
    address = node_address(context.facts, context.target)
    if address is not None:
        yield _lead(context, name, str(address))
    # It may agree with the old name, and would bring it back.
    if known(context.facts.identity).cloud_hostname not in (None, name):
        yield own_file(_CLOUD_INIT, "cloud.cfg.j2", context.id)


@fix("hostname-resolves")
def hostname_resolves(context: Context) -> Iterator[Step | Note]:
    """The node's own name leads to its own address."""
    address = node_address(context.facts, context.target)
    if address is None:
        return
    name = context.options.hostname or wanted_name(context.facts, context.target)
    yield _lead(context, name, str(address))
    if known(context.facts.identity).cloud_instance_id:
        yield Note("where cloud-init has manage_etc_hosts, it writes /etc/hosts anew at each boot")


def _lead(context: Context, name: str, address: str) -> Step:
    return edit_file(HOSTS, lambda text: name_in_hosts(text, name, address, context.id), context.id)


@fix("localhost-resolves")
def localhost_resolves(context: Context) -> Iterator[Step | Note]:
    """localhost leads to loopback addresses only."""
    yield edit_file(HOSTS, lambda text: loopback_in_hosts(text, context.id), context.id)
