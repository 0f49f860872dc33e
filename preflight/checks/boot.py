"""What a key of sysctl.d will be after the next boot. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from preflight.facts.model.kernel import Setting

# Writing the key on the right sets the one on the left too: net/ipv4/devinet.c and
# net/ipv6/addrconf.c of the kernel.
SET_WITH = {
    "net.ipv4.ip_forward": ("net.ipv4.conf.all.forwarding",),
    "net.ipv6.conf.default.forwarding": ("net.ipv6.conf.all.forwarding",),
}

PATTERN_CHARACTERS = "*?["


def boot_setting(settings: Iterable[Setting], key: str) -> Setting | None:
    """The line that decides about ``key`` at boot, by the rules of systemd-sysctl; None: no line.

    The last one that names the key wins; a pattern counts only where no line names the key, and
    no ``-key`` takes it out.
    """
    names = (key, *SET_WITH.get(key, ()))
    named: Setting | None = None
    matched: Setting | None = None
    for setting in settings:
        name = setting.key.removeprefix("-")
        if name in names:
            named = setting
        elif any(character in name for character in PATTERN_CHARACTERS) and _matches(name, key):
            matched = setting
    chosen = named or matched
    return None if chosen is None or chosen.key.startswith("-") else chosen


def _matches(pattern: str, key: str) -> bool:
    """Part by part: a star does not reach over a dot."""
    parts, wanted = pattern.split("."), key.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, wanted, parts))
