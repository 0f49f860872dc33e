"""The files of plugin directories, and which CNI versions the ones in use speak."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from dataclasses import replace

from preflight.facts.elf import examine
from preflight.facts.host import Host, attempt, unreadable
from preflight.facts.model import Known, Unknown
from preflight.facts.model.cni import Plugin
from rules.errors import CommandError
from rules.run import Running

# A plugin answers VERSION within some milliseconds; it reads nothing but its input.
VERSION_LIMIT_S = 1.0
FILES_LIMIT = 256
NOT_IN_USE = Unknown("not-asked", "it is not in the configuration in use")
# Who may write a program that root is about to run must be root already.
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def read_plugins(
    host: Host, plugin_dirs: tuple[str, ...], in_use: Iterable[str]
) -> Known[tuple[Plugin, ...]]:
    """All files of the directories. ``in_use`` are the paths that are asked for their versions."""
    # Started first, answered last: the files are read while the programs run.
    answers = {path: start_version(path) for path in sorted(set(in_use))}
    plugins: list[Plugin] = []
    for directory in plugin_dirs:
        names = host.listdir(directory)
        if isinstance(names, Unknown):
            if names.reason == "absent":
                continue
            return names
        for name in names[:FILES_LIMIT]:
            plugin = read_plugin(f"{directory}/{name}", NOT_IN_USE)
            if plugin is not None:
                plugins.append(plugin)
    return tuple(
        replace(plugin, versions=finish(answers[plugin.path])) if plugin.path in answers else plugin
        for plugin in plugins
    )


def read_plugin(path: str, versions: Known[tuple[str, ...]]) -> Plugin | None:
    """One file; None for a directory."""
    name = path.rpartition("/")[2]
    try:
        status = os.stat(path)
    except OSError as error:
        problem = unreadable(path, error)
        dead = problem.reason == "absent"
        machine: Known[str] = "" if dead else problem
        return Plugin(
            path, name, dead, machine, 0, versions, "the link leads nowhere" if dead else ""
        )
    if stat.S_ISDIR(status.st_mode):
        return None
    program: Known[tuple[str, str]]
    if stat.S_ISREG(status.st_mode):
        program = _program(path, status.st_size)
    else:
        program = ("", "it is not a file")
    mode = stat.S_IMODE(status.st_mode)
    machine, damage = (program, "") if isinstance(program, Unknown) else program
    return Plugin(
        path=path,
        name=name,
        executable=bool(mode & 0o111),
        machine=machine,
        size_bytes=status.st_size,
        versions=versions,
        damage=damage,
        mode=mode,
        uid=status.st_uid,
    )


def _program(path: str, size: int) -> Known[tuple[str, str]]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return unreadable(path, error)
    try:
        found = examine(lambda offset, count: os.pread(descriptor, count, offset), size)
    except (OSError, OverflowError) as error:
        return Unknown("failed", f"{path} cannot be read: {error}")
    finally:
        os.close(descriptor)
    return found.machine, found.damage


def untrusted(path: str) -> str:
    """Why root should not run this file; empty where it may.

    The file and every directory above it must belong to root and be writable by root alone (a
    directory with the sticky bit does: what is in it cannot be replaced by others).
    """
    place = os.path.realpath(path)
    first = True
    while True:
        try:
            status = os.stat(place)
        except OSError as error:
            return unreadable(place, error).message
        if status.st_uid != 0:
            return f"{place} belongs to user {status.st_uid}, not to root"
        if status.st_mode & _OTHERS_WRITE and (first or not status.st_mode & stat.S_ISVTX):
            return f"{place} may be written by others than root"
        if place == "/":
            return ""
        place, first = os.path.dirname(place), False


def start_version(path: str) -> Running | Unknown:
    """Starts ``CNI_COMMAND=VERSION``, which reads no state and changes none (CNI SPEC.md)."""
    if os.geteuid() == 0 and (problem := untrusted(path)):
        return Unknown("denied", f"{path} is not run to ask it: {problem}")
    try:
        return Running([path], stdin='{"cniVersion":"1.0.0"}', env={"CNI_COMMAND": "VERSION"})
    except CommandError as error:
        return Unknown(error.reason, str(error))


def finish(answer: Running | Unknown) -> Known[tuple[str, ...]]:
    """Waits for the answer of VERSION."""
    if isinstance(answer, Unknown):
        return answer
    output = attempt(lambda: answer.result(timeout_s=VERSION_LIMIT_S))
    return output if isinstance(output, Unknown) else parse_version_answer(output.stdout)


def parse_version_answer(text: str) -> Known[tuple[str, ...]]:
    """``{"cniVersion": ..., "supportedVersions": [...]}`` -> the versions."""
    try:
        answer = json.loads(text)
        versions = answer["supportedVersions"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Unknown("failed", "it does not answer to VERSION as a CNI plugin does")
    if not isinstance(versions, list) or not all(isinstance(item, str) for item in versions):
        return Unknown("failed", "it does not answer to VERSION as a CNI plugin does")
    return tuple(versions)
