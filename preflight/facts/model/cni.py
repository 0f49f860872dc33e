"""The pod network on the node: configuration files, plugins, what is left of dead pods."""

from __future__ import annotations

from dataclasses import dataclass

from preflight.facts.model.known import Known


@dataclass(frozen=True)
class CniFile:
    """A file of a CNI configuration directory with its text (at most 256 KiB are kept)."""

    path: str
    text: Known[str]


@dataclass(frozen=True)
class Plugin:
    """A file of a plugin directory.

    ``machine`` is the ELF machine in uname's words (``x86_64``), ``script`` for ``#!``, empty for
    a file that is neither (damaged). ``versions`` is what VERSION answered: only asked of the
    plugins of the configuration in use.
    """

    path: str
    name: str
    executable: bool
    machine: str
    size_bytes: int
    versions: Known[tuple[str, ...]]


@dataclass(frozen=True)
class IpamLease:
    """A host-local lease: which container has the address. ``age_s`` since it was written."""

    network: str
    address: str
    container: str
    age_s: float


@dataclass(frozen=True)
class CniCacheEntry:
    """A libcni result: an ADD that was not followed by its DEL."""

    network: str
    container: str
    interface: str
    netns: str
    age_s: float


@dataclass(frozen=True)
class Cni:
    """``live_containers``: ids that the runtime or a network namespace still knows."""

    conf_dirs: tuple[str, ...]
    plugin_dirs: tuple[str, ...]
    files: Known[tuple[CniFile, ...]]
    plugins: Known[tuple[Plugin, ...]]
    leases: Known[tuple[IpamLease, ...]]
    cache: Known[tuple[CniCacheEntry, ...]]
    chains: Known[tuple[str, ...]]
    live_containers: Known[tuple[str, ...]]
