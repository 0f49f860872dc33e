"""How many files a service may open."""

from __future__ import annotations

import resource

from preflight.facts.bootfiles import dropins
from preflight.facts.host import Host
from preflight.facts.model import Unknown

# https://www.freedesktop.org/software/systemd/man/latest/systemd-system.conf.html
_MAIN_FILES = (
    "/etc/systemd/system.conf",
    "/run/systemd/system.conf",
    "/usr/local/lib/systemd/system.conf",
    "/usr/lib/systemd/system.conf",
)
_DROPINS = (
    "/etc/systemd/system.conf.d",
    "/run/systemd/system.conf.d",
    "/usr/local/lib/systemd/system.conf.d",
    "/usr/lib/systemd/system.conf.d",
)
UNLIMITED = -1


def parse_limit(text: str) -> int | None:
    """``524288``, ``512K``, ``infinity`` -> a number, -1 for none; None for anything else."""
    text = text.strip()
    if text == "infinity":
        return UNLIMITED
    factor = {"K": 1024, "M": 1024**2, "G": 1024**3}.get(text[-1:], 1)
    digits = text[:-1] if factor > 1 else text
    return int(digits) * factor if digits.isdigit() and len(digits) < 20 else None


def parse_default_nofile(text: str) -> tuple[int, int] | None:
    """system.conf -> DefaultLimitNOFILE as (soft, hard); None where it says nothing."""
    found = None
    for line in text.splitlines():
        name, assigned, value = line.partition("=")
        if assigned and name.strip() == "DefaultLimitNOFILE":
            soft, _, hard = value.partition(":")
            pair = parse_limit(soft), parse_limit(hard or soft)
            if pair[0] is not None and pair[1] is not None:
                found = (pair[0], pair[1])
    return found


def read_open_files_limit(host: Host, applier: str) -> tuple[int, int]:
    """The (soft, hard) limit of services: systemd's configuration, else this process's own.

    A session inherits the service manager's limit unless pam_limits changes it.
    """
    soft, hard = (
        UNLIMITED if value == resource.RLIM_INFINITY else value
        for value in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if applier == "systemd":
        texts = (host.read(path) for path in _MAIN_FILES)
        main = next((text for text in texts if not isinstance(text, Unknown)), "")
        for text in (main, *(host.read(path) for path in dropins(host, _DROPINS))):
            if not isinstance(text, Unknown):
                soft, hard = parse_default_nofile(text) or (soft, hard)
    return soft, hard
