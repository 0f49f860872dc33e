"""Commands that several checks give as a remedy."""

from __future__ import annotations

import shlex

SYSCTL_FILE = "/etc/sysctl.d/99-kubernetes.conf"
MODULES_FILE = "/etc/modules-load.d/kubernetes.conf"


def set_sysctl(*pairs: tuple[str, str]) -> str:
    """Sets kernel settings now and at every boot."""
    return f"{keep_sysctl(*pairs)} && {set_sysctl_now(*pairs)}"


def set_sysctl_now(*pairs: tuple[str, str]) -> str:
    """Sets kernel settings until the next boot."""
    return "sysctl -w " + " ".join(shlex.quote(f"{key}={value}") for key, value in pairs)


def keep_sysctl(*pairs: tuple[str, str]) -> str:
    """Sets kernel settings at every boot, not now.

    The empty line first: what cloud-init and people write there often has no end of line.
    """
    lines = " ".join(shlex.quote(f"{key} = {value}") for key, value in pairs)
    return f"printf '%s\\n' '' {lines} >> {SYSCTL_FILE}"


def load_modules(*names: str) -> str:
    """Loads modules now and at every boot."""
    return f"modprobe -a {' '.join(map(shlex.quote, names))} && {keep_modules(*names)}"


def keep_modules(*names: str) -> str:
    """Loads modules at every boot, not now."""
    return f"printf '%s\\n' '' {' '.join(map(shlex.quote, names))} >> {MODULES_FILE}"
