"""The Kubernetes version to go by, for commands that read no other fact of this machine."""

from __future__ import annotations

from preflight.facts.kubelet import parse_kubelet_version
from preflight.settings import Settings
from rules.errors import CommandError
from rules.run import run
from rules.version import NEWEST, Version, parse_version

_TIMEOUT_S = 3.0


def version_for(settings: Settings) -> tuple[Version, str]:
    """The one that was given, else ``installed_version``; and where it is from."""
    if settings.version_given is not None:
        return settings.version_given, "given"
    return installed_version()


def installed_version() -> tuple[Version, str]:
    """kubeadm's, else the kubelet's, else the newest known; and which of these it is.

    The same order as ``preflight.target.choose_version``.
    """
    for argv, parse, source in (
        (("kubeadm", "version", "-o", "short"), str.strip, "kubeadm on this node"),
        (("kubelet", "--version"), parse_kubelet_version, "kubelet on this node"),
    ):
        try:
            text = run(argv, timeout_s=_TIMEOUT_S).stdout
        except CommandError:
            continue
        if version := parse_version(parse(text)):
            return version, source
    return NEWEST, "the newest that nodeprep knows"
