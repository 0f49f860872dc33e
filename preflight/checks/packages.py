"""How a package is installed on the node's distribution: for remedies only."""

from __future__ import annotations

from preflight.facts.model import Facts, Unknown

# By ID of os-release (https://www.freedesktop.org/software/systemd/man/latest/os-release.html).
_MANAGERS = {
    "apt": "debian ubuntu raspbian linuxmint pop devuan kali neon zorin elementary",
    "dnf": "fedora rhel centos rocky almalinux ol amzn eurolinux cloudlinux mariner azurelinux",
    "zypper": "opensuse opensuse-leap opensuse-tumbleweed sles sle-micro suse",
    "apk": "alpine",
    "pacman": "arch archarm manjaro endeavouros",
}
_MANAGER_OF = {name: manager for manager, names in _MANAGERS.items() for name in names.split()}
_INSTALL = {
    "apt": "apt-get install -y",
    "dnf": "dnf install -y",
    "zypper": "zypper install -y",
    "apk": "apk add",
    "pacman": "pacman -S --noconfirm",
}


def package_manager(facts: Facts) -> str:
    """apt, dnf, zypper, apk or pacman; empty where the distribution is not one of theirs."""
    return "" if isinstance(facts.system, Unknown) else _MANAGER_OF.get(facts.system.os_id, "")


def install_packages(facts: Facts, packages: dict[str, str], what: str) -> str:
    """The command that installs a package. ``packages``: its name by package manager."""
    manager = package_manager(facts)
    if manager not in packages:
        return f"install {what} with the means of this distribution"
    return f"{_INSTALL[manager]} {packages[manager]}"
