"""Which configuration file a runtime takes, and why. Pure.

Rules read in containerd/go-cni opts.go (loadFromConfDir), cri-o/ocicni pkg/ocicni/ocicni.go
(loadNetworks), Mirantis/cri-dockerd network/cni (getDefaultCNINetwork) and libcni conf.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from preflight.cni.spec import EXTENSIONS, LIST_EXTENSION, LoadError, NetworkConfig, load
from preflight.facts.model import Known, Unknown
from rules.record import record

CONTAINERD, CRIO, CRI_DOCKERD, LIBCNI = "containerd", "crio", "cri-dockerd", "libcni"


@record
class Broken:
    """A file that cannot be loaded, and the reason."""

    path: str
    problem: str


@record
class Choice:
    """What a runtime makes of a configuration directory.

    ``network``: what it takes, None for nothing. ``blocked_by``: the broken file that makes the
    runtime give up although others follow. ``unread``: a file that this run may not read and
    that comes before any other, so that the answer is not known. ``skipped`` are broken files
    that the runtime passes over; ``others`` the files that come after the winner.
    """

    network: NetworkConfig | None = None
    blocked_by: Broken | None = None
    unread: Unknown | None = None
    skipped: tuple[Broken, ...] = ()
    others: tuple[str, ...] = ()


def candidates(paths: Mapping[str, Known[str]] | tuple[str, ...], conf_dir: str) -> list[str]:
    """The files of the directory that count, in the order in which runtimes look at them.

    Direct children that end in .conf, .conflist or .json, by byte order of their names.
    """
    base = conf_dir.rstrip("/") + "/"
    return sorted(
        (
            path
            for path in paths
            if path.startswith(base) and "/" not in path[len(base) :] and path.endswith(EXTENSIONS)
        ),
        key=lambda path: path.encode("utf-8", "surrogateescape"),
    )


def choose(
    files: Mapping[str, Known[str]],
    conf_dir: str,
    reader: str = CONTAINERD,
    *,
    limit: int = 1,
    name: str = "",
) -> Choice:
    """What ``reader`` takes of ``files`` (path -> text).

    ``limit`` is containerd's max_conf_num (0: all; each of them must load). ``name``: the
    network that CRI-O's cni_default_network or a caller of libcni asks for.
    """
    paths = candidates(files, conf_dir)
    if reader == CONTAINERD:
        return _first_or_nothing(files, paths, limit)
    if reader == LIBCNI:
        # libcni's LoadNetworkConf looks through all lists before any single plugin.
        paths.sort(key=lambda path: not path.endswith(LIST_EXTENSION))
    return _first_good(files, paths, name)


def _first_or_nothing(files: Mapping[str, Known[str]], paths: list[str], limit: int) -> Choice:
    networks: list[NetworkConfig] = []
    read = paths[:limit] if limit > 0 else paths
    for path in read:
        rest = tuple(item for item in paths if item != path)
        text = files[path]
        if isinstance(text, Unknown) and text.reason != "failed":
            return Choice(unread=text, others=rest)
        found = _load(path, text)
        if isinstance(found, Broken):
            return Choice(blocked_by=found, others=rest)
        networks.append(found)
    return Choice(network=networks[0] if networks else None, others=tuple(paths[1:]))


def _first_good(files: Mapping[str, Known[str]], paths: list[str], name: str) -> Choice:
    skipped: list[Broken] = []
    for path in paths:
        text = files[path]
        if isinstance(text, Unknown) and text.reason != "failed":
            return Choice(unread=text, skipped=tuple(skipped))
        network = _load(path, text)
        if isinstance(network, Broken):
            skipped.append(network)
            continue
        if not name or network.name == name:
            broken = {item.path for item in skipped}
            rest = tuple(item for item in paths if item != path and item not in broken)
            return Choice(network=network, skipped=tuple(skipped), others=rest)
    return Choice(skipped=tuple(skipped), others=tuple(paths) if name else ())


def _load(path: str, text: Known[str]) -> NetworkConfig | Broken:
    """The network of a file. One that could not be read (a dead link) cannot by the runtime."""
    if isinstance(text, Unknown):
        return Broken(path, text.message.removeprefix(f"{path} "))
    try:
        return load(path, text)
    except LoadError as error:
        return Broken(path, str(error))
