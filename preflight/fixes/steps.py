"""What a plan is made of: a resource, and what it is to become. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules.errors import EXIT_FAILED, NodeprepError
from rules.record import record

# The state of a resource as JSON holds it; None: it is not there.
State = Any
# What is run once after the steps that name it, such as ("systemctl", "daemon-reload").
Effect = tuple[str, ...]
DAEMON_RELOAD: Effect = ("systemctl", "daemon-reload")


class FixError(NodeprepError):
    """Something that a fix cannot do or will not: it is reported, and the other fixes go on."""

    exit_code = EXIT_FAILED


@record
class Step:
    """One resource and its wanted state, as a pure function of the state that it has.

    ``kind`` is a name in ``preflight.fixes.kinds``. ``own``: a file that is nodeprep's as a whole.
    ``effects`` are run after a change and after its undo. ``secret``: never shown.
    """

    kind: str
    name: str
    edit: Callable[[State], State]
    why: str
    effects: tuple[Effect, ...] = ()
    own: bool = False
    secret: bool = False


@record
class Note:
    """What a person should know about a plan, or do by hand."""

    text: str


def edit_file(
    path: str,
    edit: Callable[[str | None], str | None],
    why: str,
    *,
    effects: tuple[Effect, ...] = (),
    own: bool = False,
    mode: int = 0o644,
) -> Step:
    """Changes a file's text; mode, owner and labels stay. ``edit`` of None: it is not there.

    ``mode`` is for a file that is not there yet.
    """

    def changed(state: State) -> State:
        if state is not None and "link" in state:
            raise FixError(f"{path} is a link that leads nowhere")
        text = edit(None if state is None else state["text"])
        if text is None:
            return None
        if state is None:
            return {"text": text, "mode": mode, "uid": 0, "gid": 0}
        if state["text"] == text:
            return state
        # It is changed now, and who goes by the time is to see it.
        return {**{name: state[name] for name in state if name != "mtime_ns"}, "text": text}

    return Step("file", path, changed, why, effects, own)


def put_link(path: str, target: str, why: str, *, effects: tuple[Effect, ...] = ()) -> Step:
    """Puts a symbolic link in the place of whatever is there."""
    return Step("link", path, lambda _state: {"link": target}, why, effects)


def mask_unit(unit: str, why: str) -> Step:
    """Keeps systemd from ever starting a unit, as `systemctl mask` does."""
    return put_link(f"/etc/systemd/system/{unit}", "/dev/null", why, effects=(DAEMON_RELOAD,))


def set_to(kind: str, name: str, state: State, why: str, effects: tuple[Effect, ...] = ()) -> Step:
    """Gives any other resource a state that does not depend on the present one."""
    return Step(kind, name, lambda _state: state, why, effects)


def set_sysctl(key: str, value: str, why: str) -> Step:
    """Sets a kernel setting now, not at boot."""
    return set_to("sysctl", key, {"value": value, "with": {}}, why)


def enable_unit(unit: str, why: str) -> Step:
    """Has systemd start a unit at boot; whether it runs now is another matter."""
    return set_to("unit-enabled", unit, {"word": "enabled"}, why)
