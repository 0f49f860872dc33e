"""What a shell offers for the value of an option. Each imports its words only when it is asked."""

from __future__ import annotations


def roles(incomplete: str) -> list[str]:
    """For --role."""
    from rules.cluster import Role

    return [role.value for role in Role if role.value.startswith(incomplete)]


def clouds(incomplete: str) -> list[str]:
    """For the cloud of `nodeprep cloud`."""
    from rules.cloud import CLOUDS

    names = [name for name in CLOUDS if not name.startswith("cap")]
    return [name for name in (*names, "capi") if name.startswith(incomplete)]


def networks(incomplete: str) -> list[str]:
    """For --cni: NAME, and NAME/MODE once the name is there."""
    from rules.cnis import PROFILES

    names = list(PROFILES)
    if "/" in incomplete:
        profiles = PROFILES.items()
        names = [f"{name}/{mode.name}" for name, profile in profiles for mode in profile.modes]
    return [name for name in names if name.startswith(incomplete)]


def postures(incomplete: str) -> list[str]:
    """For --posture."""
    return [name for name in ("allow", "enforce") if name.startswith(incomplete)]


def check(incomplete: str) -> list[str]:
    """For the id of one check."""
    from preflight.checks.registry import registry

    return [name for name in registry() if name.startswith(incomplete)]


def checks(incomplete: str) -> list[str]:
    """For ID,..: the last id is completed, those before it stay."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in check(last)]
