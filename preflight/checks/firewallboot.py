"""Packet filter rules of today that a reboot changes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks.packages import install_packages, package_manager
from preflight.checks.registry import (
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    undetermined,
)
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.firewall import FilterTable, Firewall
from preflight.target import Target
from preflight.versions.filtermakers import MAKERS, maker_of_table

# Backend -> what loads rules of it at boot from a file that a person writes.
_IPTABLES = {
    "ip": ("netfilter-persistent", "iptables"),
    "ip6": ("netfilter-persistent", "ip6tables"),
}
# Loads its file when it is started, and would by now have done so.
_LOADERS = ("nftables", "netfilter-persistent", "iptables", "ip6tables")
# They set the policies of the kernel's own chains.
_POLICY_MAKERS = frozenset({"ufw", "firewalld"})
_ALL = ("apt", "dnf", "zypper", "apk", "pacman")


@check(
    "firewall-persistent",
    title="The packet filter is the same after a reboot",
    why="Rules made by hand are gone at the next boot, and a firewall that is enabled and does not "
    "run begins to drop then: a node that works today does not come back.",
    source="https://wiki.debian.org/nftables",
    severity=WARNING,
    applies="Rules that a program makes anew when it starts (kube-proxy, pod networks, Docker, "
    "libvirt, fail2ban and the like) do not count.",
)
def firewall_persistent(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each manager or table that a reboot changes, or one for all."""
    firewall = known(facts.firewall)
    tables: list[FilterTable] = []
    judged = []
    for subject, fact in (("nft", firewall.tables), ("legacy", firewall.legacy_tables)):
        if isinstance(fact, Unknown):
            denied = "run nodeprep as root" if fact.reason == "denied" else ""
            judged.append(undetermined(fact.message, subject=subject, remedy=denied))
        else:
            tables += fact
    judged += _sleeping(facts, firewall, tables)
    judged += _unkept(facts, firewall, tables)
    judged += [found for table in tables if (found := _handmade(facts, firewall, table))]
    yield from judged
    if not judged:
        by_hand = [table.label for table in tables if _by_hand(table)]
        yield passed(
            f"rules made by hand are loaded at boot: {', '.join(by_hand)}"
            if by_hand
            else "no rule is made by hand"
        )


def _state(firewall: Firewall, name: str) -> str:
    """Empty too where the states are not known: then nothing is said of the manager."""
    return "" if isinstance(firewall.managers, Unknown) else firewall.managers.get(name, "")


def _sleeping(facts: Facts, firewall: Firewall, tables: list[FilterTable]) -> Iterator[Judgement]:
    """Managers that will act at the next boot and do not now."""
    for name in ("firewalld", *_LOADERS):
        if _state(firewall, name) == "enabled":
            yield failed(
                f"{name} is enabled and does not run: its rules come at the next boot",
                subject=name,
                observed="enabled, not active",
                expected="both or neither",
                remedy=_disable(facts, name),
            )
    loaded = any("ufw" in table.makers for table in tables)
    seen = not isinstance(firewall.tables, Unknown) or not isinstance(
        firewall.legacy_tables, Unknown
    )
    on = firewall.ufw_enabled is True and "enabled" in _state(firewall, "ufw")
    if on and seen and not loaded:
        yield failed(
            "ufw is enabled and its rules are not loaded: they come at the next boot",
            subject="ufw",
            observed="enabled, not loaded",
            expected="both or neither",
            remedy=_disable(facts, "ufw"),
        )


def _disable(facts: Facts, service: str) -> str:
    if package_manager(facts) == "apk":
        return f"rc-update del {service}"
    return f"systemctl disable {service}.service"


def _unkept(facts: Facts, firewall: Firewall, tables: list[FilterTable]) -> Iterator[Judgement]:
    """Managers whose rules are loaded and that will not start at the next boot."""
    if isinstance(firewall.managers, Unknown):
        return
    for maker in MAKERS:
        if not maker.unit or not any(maker.name in table.makers for table in tables):
            continue
        enabled = "enabled" in _state(firewall, maker.unit)
        off = maker.name == "ufw" and firewall.ufw_enabled is False
        if enabled and not off:
            continue
        yield failed(
            f"{maker.name}'s rules are loaded, and {maker.name} does not start at the next boot",
            subject=maker.name,
            observed="disabled",
            expected="enabled",
            remedy="ufw --force enable"
            if enabled
            else "nodeprep firewall confirm"
            if maker.name == "nodeprep"
            else _enable(package_manager(facts), maker.unit),
        )


def _by_hand(table: FilterTable) -> str:
    """What nobody but a person made in a table, in words; empty where there is none."""
    rules = table.makers.get("", 0)
    parts = [f"{rules} rule{'s' if rules > 1 else ''}"] if rules else []
    own_table = table.backend == "nft" and maker_of_table(table.name)
    if not own_table and not _POLICY_MAKERS.intersection(table.makers):
        # Docker sets the policy of FORWARD alone.
        chains = [
            each for each in table.dropping if each != "FORWARD" or "docker" not in table.makers
        ]
        if chains:
            parts.append(f"the policy DROP of {', '.join(chains)}")
    return " and ".join(parts)


def _handmade(facts: Facts, firewall: Firewall, table: FilterTable) -> Judgement | None:
    what = _by_hand(table)
    if not what:
        return None
    said = f"what was made by hand in {table.label}, {what}"
    if isinstance(firewall.managers, Unknown):
        return undetermined(
            f"whether anything loads at boot {said}, cannot be told: {firewall.managers.message}",
            subject=table.label,
        )
    loaders = ["nftables"] if table.backend in ("nft", "iptables-nft") else []
    if table.backend != "nft":
        loaders += _IPTABLES.get(table.family, ())
    if any("enabled" in _state(firewall, name) for name in loaders):
        return None
    return failed(
        f"nothing loads at boot {said}",
        subject=table.label,
        observed=f"none of {', '.join(loaders)} is enabled",
        expected="loaded at boot",
        remedy=_keep(facts, table),
    )


# Package manager -> the package that loads iptables' rules at boot, its file (v4, v6).
_KEEPERS = {
    "apt": ("iptables-persistent", ("/etc/iptables/rules.v4", "/etc/iptables/rules.v6")),
    "dnf": ("iptables-services", ("/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables")),
    "pacman": ("iptables", ("/etc/iptables/iptables.rules", "/etc/iptables/ip6tables.rules")),
    "apk": ("iptables-openrc", ("/etc/iptables/rules-save", "/etc/iptables/rules6-save")),
}


def _keep(facts: Facts, table: FilterTable) -> str:
    """The command that writes the rules of a table where something loads them at boot."""
    manager = package_manager(facts)
    if table.backend == "nft":
        file = "/etc/sysconfig/nftables.conf" if manager == "dnf" else "/etc/nftables.conf"
        install = install_packages(facts, dict.fromkeys(_ALL, "nftables"), "nftables")
        names = f"{shlex.quote(table.family)} {shlex.quote(table.name)}"
        save = f"nft list table {names} >> {file}"
        steps = [save, _enable(manager, "nftables")]
        return " && ".join([install, *steps] if _is_missing(facts, "nft") else steps)
    program = "iptables" if table.family == "ip" else "ip6tables"
    kind = "legacy" if table.backend.endswith("legacy") else "nft"
    others = sorted(table.makers.keys() - {""})
    if manager not in _KEEPERS or others:
        spared = f", without those of {' and '.join(others)}" if others else ""
        return (
            f"keep the rules made by hand (as {program}-{kind}-save prints them{spared}) in a file "
            "that a service of yours loads at boot"
        )
    package, files = _KEEPERS[manager]
    save = f"{program}-{kind}-save > {files[table.family == 'ip6']}"
    return " && ".join(
        [_install(facts, package), save, _enable(manager, _loader(manager, program))]
    )


def _loader(manager: str, program: str) -> str:
    return "netfilter-persistent" if manager == "apt" else program


def _enable(manager: str, service: str) -> str:
    return f"rc-update add {service}" if manager == "apk" else f"systemctl enable {service}.service"


def _install(facts: Facts, package: str) -> str:
    command = install_packages(facts, dict.fromkeys(_ALL, package), package)
    # Debian's package asks on the terminal whether to save what is loaded.
    apt = package_manager(facts) == "apt"
    return f"DEBIAN_FRONTEND=noninteractive {command}" if apt else command


def _is_missing(facts: Facts, program: str) -> bool:
    runtime = facts.runtime
    return not isinstance(runtime, Unknown) and runtime.executables.get(program) == ""
