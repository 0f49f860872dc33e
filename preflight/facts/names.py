"""Name service: resolver files, /etc/hosts, and what a name leads to."""

from __future__ import annotations

import os
import re

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.network import ResolvConf
from preflight.settings import Settings

RESOLV_CONF = "/etc/resolv.conf"
# What kubeadm gives the kubelet where systemd-resolved is active
# (https://kubernetes.io/docs/tasks/administer-cluster/dns-debugging-resolution/#known-issues).
UPSTREAM_RESOLV_CONF = "/run/systemd/resolve/resolv.conf"
KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
_KUBELET_RESOLV_CONF = re.compile(r"^resolvConf:[ \t]*([^\s#]+)", re.MULTILINE)


def parse_resolv_conf(text: str, path: str, target: str) -> ResolvConf:
    """resolv.conf(5): each ``nameserver``, the last ``search`` or ``domain``, the last ``options``.

    glibc wants a keyword at the start of its line, the kubelet takes it after blanks too: a line
    that only one of them reads is taken, because it matters to that one.
    """
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            nameservers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:])
        elif words[0] == "options":
            options = tuple(words[1:])
    return ResolvConf(path, target, tuple(nameservers), search, options)


def parse_kubelet_resolv_conf(text: str) -> str | None:
    """The top-level ``resolvConf`` of a KubeletConfiguration in YAML; None where it is not said.

    One line of a file that kubeadm writes: not worth the 46 ms that a YAML parser takes to import.
    """
    match = _KUBELET_RESOLV_CONF.search(text)
    return match.group(1).strip("\"'") if match else None


def read_resolv_conf(host: Host, path: str) -> Known[ResolvConf]:
    """A resolver file. One that is not there has no name server, and its ``target`` is empty."""
    text = host.read(path)
    if isinstance(text, Unknown):
        return ResolvConf(path, "", ()) if text.reason == "absent" else text
    return parse_resolv_conf(text, path, os.path.realpath(path))


def collect_resolvers(
    host: Host, settings: Settings
) -> tuple[Known[ResolvConf], Known[ResolvConf | None], Known[bool]]:
    """The resolver file that configuration gives the kubelet (else /etc/resolv.conf), the file
    of systemd-resolved's own upstream servers (None where it is not there), and whether
    systemd-resolved is active.

    The node's own kubelet configuration counts where the settings say nothing. An empty path is
    legal (the kubelet then reads no file); the node's own file is read in its place.
    """
    wanted = settings.kubelet.resolv_conf
    if wanted is None:
        text = host.read(KUBELET_CONFIG)
        wanted = None if isinstance(text, Unknown) else parse_kubelet_resolv_conf(text)
    upstream: Known[ResolvConf | None] = read_resolv_conf(host, UPSTREAM_RESOLV_CONF)
    if isinstance(upstream, ResolvConf) and not upstream.target:
        upstream = None
    return read_resolv_conf(host, wanted or RESOLV_CONF), upstream, _resolved_active(host)


def _resolved_active(host: Host) -> Known[bool]:
    units = host.units()
    if isinstance(units, Unknown):
        # kubeadm asks systemd and nobody else: where there is none, the service is not active.
        return False if units.reason == "absent" else units
    unit = units.get("systemd-resolved.service")
    return unit is not None and unit.active == "active"
