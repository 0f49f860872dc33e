"""What `nodeprep check` and `nodeprep fix` share: from the flags of a run to what it judges by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.words import wrong_choice

if TYPE_CHECKING:
    from preflight.config import Flags
    from preflight.engine import Selection
    from preflight.facts.model import Facts
    from preflight.settings import Settings
    from preflight.target import Phase, Target
    from rules.cluster import Role


def phase_of(text: str) -> Phase:
    """Raises UsageError for what is none."""
    from preflight.target import Phase

    try:
        return Phase(text)
    except ValueError:
        raise wrong_choice("--phase", text, [phase.value for phase in Phase]) from None


def target_of(role: Role, phase: Phase, facts: Facts, settings: Settings, flags: Flags) -> Target:
    """What the node is to become; with the flags, for commands that a report names."""
    from preflight import config
    from preflight.target import Target, choose_version

    version, source = choose_version(settings, facts)
    return Target(role, phase, version, settings, source, flags=config.flags_again(flags))


def selection_of(settings: Settings, ignore: str, skip: str, *, deep: bool = False) -> Selection:
    """What the files and the flags (ids, with commas) ignore and skip, together."""
    from preflight.engine import Selection

    return Selection(
        ignore=(*settings.ignore, *split(ignore)), skip=(*settings.skip, *split(skip)), deep=deep
    )


def node_of(settings: Settings, facts: Facts) -> str:
    """The node's name: as it was given, else the host's; empty where neither is known."""
    from preflight.facts.model import Unknown

    if settings.node_name or isinstance(facts.identity, Unknown):
        return settings.node_name
    return facts.identity.hostname


def split(text: str) -> tuple[str, ...]:
    """``a,b, c`` -> the words."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
