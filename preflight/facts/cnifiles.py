"""CNI configuration directories: which ones are in use, and the files in them."""

from __future__ import annotations

import os

from preflight.cni.spec import EXTENSIONS
from preflight.facts.host import Host, unreadable
from preflight.facts.model import Known, Unknown
from preflight.facts.model.cni import CniFile
from preflight.facts.model.runtime import RuntimeConfig

DEFAULT_CONF_DIR = "/etc/cni/net.d"
# Upstream and kubernetes-cni; Debian, Ubuntu and openSUSE; Fedora and RHEL.
DEFAULT_PLUGIN_DIRS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
# Real files are under 4 KiB; a larger one than this is none of them.
FILE_LIMIT_BYTES = 256 * 1024
FILES_LIMIT = 256


def directories(
    configs: tuple[RuntimeConfig, ...],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(configuration directories, plugin directories): those in use first, then the usual ones."""
    usable = [config for config in configs if not config.error]
    conf = [os.path.normpath(config.conf_dir) for config in usable if config.conf_dir]
    plugin = [os.path.normpath(path) for config in usable for path in config.plugin_dirs if path]
    return (
        tuple(dict.fromkeys([*conf, DEFAULT_CONF_DIR])),
        tuple(dict.fromkeys([*plugin, *DEFAULT_PLUGIN_DIRS])),
    )


def read_files(host: Host, conf_dirs: tuple[str, ...]) -> Known[tuple[CniFile, ...]]:
    """The files that a runtime may take. A directory that is not there has none."""
    files: list[CniFile] = []
    for directory in conf_dirs:
        names = host.listdir(directory)
        if isinstance(names, Unknown):
            if names.reason == "absent":
                continue
            return names
        wanted = [name for name in names if name.endswith(EXTENSIONS)][:FILES_LIMIT]
        for name in wanted:
            path = f"{directory}/{name}"
            # libcni goes by the directory entry: a link to a directory counts as a file.
            if os.path.isdir(path) and not os.path.islink(path):
                continue
            files.append(CniFile(path, read_file(host, path)))
    return tuple(files)


def read_file(host: Host, path: str) -> Known[str]:
    """The text of one file. ``failed``: no runtime can read it either, such as a dead link."""
    try:
        size = os.stat(path).st_size
    except OSError as error:
        problem = unreadable(path, error)
        return Unknown("failed", problem.message) if problem.reason == "absent" else problem
    if size > FILE_LIMIT_BYTES:
        limit = FILE_LIMIT_BYTES // 1024
        return Unknown("not-asked", f"{path} is larger than {limit} KiB and was not read")
    return host.read(path, FILE_LIMIT_BYTES)
