"""The pod network on the node: configuration files, plugins, what is left of dead pods."""

from __future__ import annotations

from preflight.facts.model.known import Known, Unknown
from rules.record import record


@record
class CniFile:
    """A file of a CNI configuration directory that a runtime may take, with its text."""

    path: str
    text: Known[str]


@record
class Plugin:
    """A file of a plugin directory.

    ``executable``: whether any execute bit is set. ``machine`` is the ELF machine in uname's words
    (``x86_64``), ``script`` for ``#!``, empty for a file that is neither. ``damage`` says in words
    what is wrong with the file (empty, truncated, no program), and is empty for a sound one.
    ``versions`` is what VERSION answered: only asked of the plugins of the configuration in use.
    ``mode`` are the permission bits, ``uid`` the owner.
    """

    path: str
    name: str
    executable: bool
    machine: Known[str]
    size_bytes: int
    versions: Known[tuple[str, ...]]
    damage: str = ""
    mode: int = 0o755
    uid: int = 0


@record
class IpamLease:
    """A host-local lease: which container has the address. ``age_s`` since it was written."""

    network: str
    address: str
    container: str
    age_s: float
    path: str = ""


@record
class CniCacheEntry:
    """A libcni result: an ADD that was not followed by its DEL."""

    network: str
    container: str
    interface: str
    netns: str
    age_s: float
    path: str = ""


@record
class Cni:
    """``live_containers``: ids that the runtime still knows. ``namespaces``: paths of the pinned
    network namespaces. ``traces``: what a pod network product keeps on a node, path -> the first
    line of the file (empty for a directory); only those that are there.
    """

    conf_dirs: tuple[str, ...]
    plugin_dirs: tuple[str, ...]
    files: Known[tuple[CniFile, ...]]
    plugins: Known[tuple[Plugin, ...]]
    leases: Known[tuple[IpamLease, ...]]
    cache: Known[tuple[CniCacheEntry, ...]]
    live_containers: Known[tuple[str, ...]]
    namespaces: Known[tuple[str, ...]] = Unknown("absent", "not read")
    traces: Known[dict[str, str]] = Unknown("absent", "not read")
