"""Laying the pod network down on this node, and taking it away: what `cni install` and fix do."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace

from preflight.cni import journal, leftovers
from preflight.cni.compose import programs
from preflight.cni.installed import asked
from preflight.cni.journal import Item, Step
from preflight.cni.kinds import InstallError
from preflight.cni.layout import UNIT, Place, make_items
from preflight.cni.node import runtime_of, usable_dirs
from preflight.cni.plan import Flags, Planned, make_plan, refuse_errors
from preflight.facts.cnifiles import DEFAULT_CONF_DIR
from preflight.facts.host import Host
from preflight.output import say
from rules.errors import CommandError, UsageError
from rules.record import record
from rules.run import find_program, run
from rules.state import Store
from rules.words import wrong_choice

_TIMEOUT_S = 60.0
# Layouts of runtimes that have directories of their own: configuration, plugins.
LAYOUTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "cri-dockerd": (DEFAULT_CONF_DIR, ("/opt/cni/bin",)),
    "podman": (DEFAULT_CONF_DIR, ("/usr/libexec/cni", "/usr/lib/cni", "/opt/cni/bin")),
    "rkt": ("/etc/rkt/net.d", ("/usr/lib/rkt/plugins/net",)),
    "mesos": ("/etc/mesos/cni/net.d", ("/opt/cni/bin",)),
}


@record
class Wanted:
    """The flags of `cni install` beside those of the configuration."""

    flags: Flags
    archive: str = ""
    sha256: str = ""
    package: bool = False
    displace: bool = False
    layout: str = ""
    conf_dir: str = ""
    routes_by: str = "unit"


@record
class Installation:
    """What was done, or would be. ``origin``: the archive or package with the plugins."""

    planned: Planned
    place: Place
    steps: list[Step]
    origin: str
    warnings: list[str]


def install(wanted: Wanted, store: Store, *, dry_run: bool) -> Installation:
    """Lays it all down, or says what would change. Raises InstallError after having put everything
    back, and what else stands in the way before anything is changed."""
    archive, origin = _archive(wanted)
    package = _package(wanted)
    with nullcontext() if package is None or dry_run else journal.beforehand(package, store):
        place = _place(wanted)
        planned = make_plan(_with_dirs(wanted, place))
        refuse_errors(planned)
        steps, warnings = _steps(wanted, planned, place, archive, package, store)
        if not dry_run and any(step.changes for step in steps):
            with store.lock():
                leftovers.note(store, planned.network)
                journal.apply(steps, store, lambda: _proof(planned, place))
            _tell_others(steps, place)
    origin = origin or (package.name if package is not None else "")
    return Installation(planned, place, steps, origin, warnings)


def _steps(
    wanted: Wanted,
    planned: Planned,
    place: Place,
    archive: dict[str, bytes],
    package: Item | None,
    store: Store,
) -> tuple[list[Step], list[str]]:
    """(everything that is to be done, in order; what is odd)."""
    from preflight.cni.packages import plugins_package
    from preflight.cni.surroundings import find_extras

    extras, warnings = find_extras(
        planned,
        place,
        archive=archive,
        packaged=plugins_package().directory if package is not None else "",
        displace=wanted.displace,
        boot_dir=str(store.path / "boot"),
        routes_by=wanted.routes_by,
    )
    items = [*([package] if package is not None else []), *make_items(planned, place, extras)]
    # The package and the plugins of an archive stay although this run names none.
    items = [*journal.kept(store, place.plugin_dirs, items), *items]
    steps = journal.make_steps(items, store)
    if package is not None:
        # It is there already, for the others' sake, and was not before this run.
        steps = [replace(step, now=None) if step.kind == package.kind else step for step in steps]
    return steps, warnings


def removal(store: Store, *, busy: bool, drift: bool) -> list[Step]:
    """What takes it all away. Raises InstallError while pods hang on the bridge unless ``busy``,
    and where somebody changed something unless ``drift``."""
    steps, drifted = journal.make_removal(store)
    ports = [name for step in steps if step.kind == "bridge" for name in _ports(step.name)]
    if ports and not busy:
        raise InstallError(
            f"{len(ports)} pods hang on the bridge ({', '.join(ports[:3])}); drain the node "
            "first, or use --force"
        )
    if drifted and not drift:
        raise InstallError(
            f"{', '.join(drifted)}: changed by somebody since; --force undoes that too"
        )
    return steps


def take_away(steps: list[Step], store: Store) -> None:
    """Undoes it all. Raises InstallError where something cannot be undone."""
    if not steps and not store.path.exists():
        return
    with store.lock():
        leftovers.clear(store)
        journal.remove(steps, store)
    _tell_others(steps, None)


def _place(wanted: Wanted) -> Place:
    """The directories: of a flag, a layout, or the runtime that is installed."""
    if wanted.layout:
        if wanted.layout not in LAYOUTS:
            raise wrong_choice("--layout", wanted.layout, LAYOUTS)
        conf_dir, plugin_dirs = LAYOUTS[wanted.layout]
    else:
        runtime = runtime_of(Host(offline=True))
        conf_dir = runtime.conf_dir or DEFAULT_CONF_DIR
        plugin_dirs = usable_dirs(runtime.plugin_dirs)
    directories = wanted.flags.plugin_dirs or plugin_dirs
    for path in (wanted.conf_dir or conf_dir, *directories):
        if not path.startswith("/") or "\0" in path:
            raise UsageError(f"{path!r} is no absolute path of a directory")
    return Place(
        os.path.normpath(wanted.conf_dir or conf_dir),
        tuple(map(os.path.normpath, directories)),
        reads_lists=wanted.layout != "rkt",
    )


def _with_dirs(wanted: Wanted, place: Place) -> Flags:
    """The plugins are asked where the runtime finds them, and where else they may be."""
    from preflight.facts.cnifiles import DEFAULT_PLUGIN_DIRS

    directories = tuple(dict.fromkeys([*place.plugin_dirs, *DEFAULT_PLUGIN_DIRS]))
    return replace(wanted.flags, plugin_dirs=directories)


def _package(wanted: Wanted) -> Item | None:
    """The distribution's package, where it is asked for and not there yet."""
    if not wanted.package:
        return None
    from preflight.cni.packages import INSTALLED, plugins_package, read

    name = plugins_package().name
    return None if read(name) == INSTALLED else Item("package", name, INSTALLED)


def _archive(wanted: Wanted) -> tuple[dict[str, bytes], str]:
    if not wanted.archive:
        if wanted.sha256:
            raise UsageError("--sha256 goes with --archive")
        return {}, ""
    from preflight.cni.archive import read_archive

    return read_archive(wanted.archive, wanted.sha256)


def _proof(planned: Planned, place: Place) -> None:
    """Every plugin answers from where the runtime looks. Else a noexec mount, or a wrong file."""
    if planned.wanted.plugin.startswith("win-"):
        return
    found, missing = asked(programs(planned.wanted), place.plugin_dirs)
    silent = [*missing, *(kind for kind, said in found.items() if not said)]
    if silent:
        raise InstallError(
            f"{', '.join(silent)} in {place.plugin_dirs[0]} cannot be run: another architecture, "
            "or a directory that is mounted noexec (findmnt -T)"
        )
    version = planned.wanted.version
    deaf = [kind for kind in programs(planned.wanted)[:-1] if version not in found[kind]]
    if deaf:
        raise InstallError(
            f"{', '.join(deaf)} in {place.plugin_dirs[0]} does not speak cniVersion {version}: "
            "give --cni-version, or another --archive"
        )


def _tell_others(steps: list[Step], place: Place | None) -> None:
    """systemd reads its units anew, SELinux labels the plugins; NetworkManager reads its file."""
    changed = [step.name for step in steps if step.changes]
    commands = []
    if any(UNIT in name for name in changed) and os.path.isdir("/run/systemd/system"):
        commands.append(["systemctl", "daemon-reload"])
    if any("/netplan/" in name for name in changed):
        commands.append(["netplan", "generate"])
    if any("/systemd/network/" in name for name in changed):
        commands.append(["networkctl", "reload"])
    if any("/NetworkManager/conf.d/" in name for name in changed):
        commands.append(["nmcli", "general", "reload", "conf"])
    if place is not None and os.path.isdir("/sys/fs/selinux") and find_program("restorecon"):
        commands.append(["restorecon", "-R", place.plugin_dirs[0], place.conf_dir])
    for command in commands:
        _tell(command)


def _tell(command: list[str]) -> None:
    try:
        run(command, timeout_s=_TIMEOUT_S)
    except CommandError as error:
        say(f"warning: {error}")


def _ports(bridge: str) -> list[str]:
    try:
        done = run(["ip", "-o", "link", "show", "master", bridge], timeout_s=_TIMEOUT_S)
    except CommandError:
        return []
    return [line.split(":")[1].strip().partition("@")[0] for line in done.stdout.splitlines()]
