"""What must hold: pure functions of (Facts, Target), one file per subject."""

from __future__ import annotations

from importlib import import_module

# The order of the report. A new file of checks is one name here.
SUBJECTS = (
    "identity",
    "hostname",
    "clones",
    "interfaces",
    "macs",
    "routes",
    "nodeaddress",
    "duplicates",
    "mtu",
    "linkmanagers",
    "cidrs",
    "capacity",
    "names",
    "proxy",
    "clock",
    "ports",
    "listening",
    "nodeports",
    "firewall",
    "firewallflows",
    "firewallowner",
    "firewallboot",
    "hardware",
    "storage",
    "mounts",
    "kernel",
    "modules",
    "cgroups",
    "swap",
    "sysctls",
    "limits",
    "persistence",
    "security",
    "runtime",
    "cgroupdriver",
    "runtimepaths",
    "kubelet",
    "executables",
    "leftovers",
    "etcd",
    "processes",
    "podnetwork",
    "cards",
    "peers",
)


def load() -> None:
    """Imports every subject, which registers its checks."""
    for subject in SUBJECTS:
        import_module(f"preflight.checks.{subject}")
