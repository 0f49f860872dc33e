"""Kernel settings that packets depend on."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.nodeports import RESERVED, reserved_wanted
from preflight.checks.sysctls import BRIDGE_KEYS, IPV6_KEYS
from preflight.fixes.modules import load_modules
from preflight.fixes.registry import Context, fix
from preflight.fixes.settings import settings
from preflight.fixes.steps import Note, Step


@fix("ip-forward")
def ip_forward(context: Context) -> Iterator[Step | Note]:
    """net.ipv4.ip_forward=1."""
    yield from settings(context, {"net.ipv4.ip_forward": "1"})


@fix("ipv6-forward")
def ipv6_forward(context: Context) -> Iterator[Step | Note]:
    """The forwarding keys, after the accept_ra of interfaces that would lose their route."""
    keys = {subject: "1" for subject in context.subjects if subject in IPV6_KEYS}
    interfaces = (subject for subject in context.subjects if subject not in IPV6_KEYS)
    routes = {f"net.ipv6.conf.{name.replace('.', '/')}.accept_ra": "2" for name in interfaces}
    yield from settings(context, {**routes, **keys})


@fix("bridge-nf-call")
def bridge_nf_call(context: Context) -> Iterator[Step | Note]:
    """br_netfilter where it is missing, and its keys."""
    if "br_netfilter" in context.subjects:
        yield from load_modules(context, ("br_netfilter",))
    used = scope.families(context.target)
    yield from settings(context, {BRIDGE_KEYS[family]: "1" for family in used})


@fix("nodeport-ephemeral-clash")
def nodeport_ephemeral_clash(context: Context) -> Iterator[Step | Note]:
    """The kernel gives no connection a port that a Service or a component may have."""
    yield from settings(context, {RESERVED: reserved_wanted(context.facts, context.target)})


@fix("persistent-sysctl")
def persistent_sysctl(context: Context) -> Iterator[Step | Note]:
    """What is right now is set at boot."""
    yield from settings(context, dict.fromkeys(context.subjects, "1"), now=False)
