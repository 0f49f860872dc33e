"""The findings about a node's pod network: the checks that concern it, run on their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from preflight.cni.ranges import range_sets
from preflight.cni.spec import NetworkConfig
from preflight.finding import Finding, Status
from preflight.settings import Settings
from rules.cluster import Role

# What pods need of a node, beside the checks of the pod network itself.
AROUND = (
    "ip-forward",
    "ipv6-forward",
    "ipv6-enabled",
    "bridge-nf-call",
    "kernel-modules",
    "firewall-forwards",
    "firewall-single-backend",
    "reverse-path-filter",
    "pod-cidr-free",
    "mtu-fits",
    "cri-cni-paths",
    "mac-unique",
    "machine-id-unique",
)
OWN = (
    "cni-conf-winner",
    "cni-conf-valid",
    "cni-plugins-present",
    "cni-bridge-sane",
    "cni-leases-live",
    "cni-product-ready",
)
# By the cluster's ranges, for which the configuration's own must not stand in.
JUDGES_RANGES = "cni-conf-valid"


def examine(
    settings: Settings,
    network: NetworkConfig | None,
    *,
    role: Role = Role.WORKER,
    names: Sequence[str] = (),
) -> list[Finding]:
    """Every finding of these checks (or those of ``names``) on this host.

    ``network`` fills in ranges that nobody said, except for the check that judges it by them.
    """
    from preflight.checks.registry import registry
    from preflight.engine import run_checks
    from preflight.facts.collect import collect
    from preflight.facts.host import Host
    from preflight.target import Phase, Target, choose_version

    filled = with_ranges(settings, network)
    facts = collect(Host(offline=True, probe_ports="port-free" in names), filled)
    version, source = choose_version(filled, facts)
    checks, asked = registry(), names or (*OWN, *AROUND)
    found: list[Finding] = []
    for said, wanted in (
        (filled, [name for name in asked if name != JUDGES_RANGES]),
        (settings, [name for name in asked if name == JUDGES_RANGES]),
    ):
        target = Target(role, Phase.BEFORE, version, said, source)
        found += run_checks(facts, target, [checks[name] for name in wanted])
    return sorted(found, key=lambda finding: asked.index(finding.id))


def with_ranges(settings: Settings, network: NetworkConfig | None) -> Settings:
    """Where the cluster's pod ranges of a family are not known, the configuration's stand in."""
    if network is None:
        return settings
    known = settings.cluster.pod_subnets
    subnets = dict.fromkeys(
        item.network
        for ipam in network.ipams()
        for members in range_sets(ipam)
        for item in members
        if item.network.version not in {one.version for one in known}
    )
    cluster = replace(settings.cluster, pod_subnets=(*known, *subnets))
    return replace(settings, cluster=cluster) if subnets else settings


def failing(findings: list[Finding]) -> list[Finding]:
    """What is wrong: failures first, then warnings."""
    order = {Status.FAIL: 0, Status.WARN: 1}
    return sorted((f for f in findings if f.status in order), key=lambda f: order[f.status])
