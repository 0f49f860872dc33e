"""The healthy node with another kernel, for the tests of several subjects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from preflight.facts.model import Facts
from preflight.facts.model.kernel import Module
from preflight.finding import Finding
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice
from tests.nodes import healthy, kernel


def with_kernel(**values: Any) -> Facts:
    """Other fields of the kernel."""
    return replace(healthy(), kernel=replace(kernel.healthy(), **values))


def with_sysctls(**values: str | None) -> Facts:
    """Other settings: two underscores are a dot, one is itself, None: the kernel lacks it."""
    found = {**kernel.SYSCTLS, **{key.replace("__", "."): value for key, value in values.items()}}
    return with_kernel(sysctls={key: value for key, value in found.items() if value is not None})


def modules(name: str, **values: str) -> tuple[Module, ...]:
    """The healthy modules with one in another state."""
    return tuple(
        replace(each, **values) if each.name == name else each for each in kernel.healthy().modules
    )


def bridge_settings_gone() -> dict[str, str]:
    """The settings while br_netfilter is not loaded."""
    return {
        key: value for key, value in kernel.SYSCTLS.items() if not key.startswith("net.bridge.")
    }


def pod_network(name: str, mode: str = "", **cluster: Any) -> Settings:
    """Settings of a cluster with this pod network."""
    return Settings(cluster=Cluster(cni=CniChoice(name, mode), **cluster))


def verdicts(findings: list[Finding]) -> dict[str, str]:
    """Subject -> status."""
    return {finding.subject: finding.status.value for finding in findings}
