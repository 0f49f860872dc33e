"""nodeprep.yaml, kubeadm's configuration, the environment and flags become Settings.

Each value comes from the first of these that says it: flags, ``NODEPREP_*`` variables, the
cluster file, kubeadm's configuration, kubeadm's defaults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from shlex import quote
from typing import Protocol

from preflight.settings import Settings
from rules.errors import UsageError

DEFAULT_FILE = "/etc/nodeprep/nodeprep.yaml"


class Flags(Protocol):
    """The flags of configuration, as a command's request holds them; an empty one was not given.

    Properties, since requests are frozen.
    """

    @property
    def config(self) -> str:
        """``--config``, a path."""

    @property
    def kubeadm_config(self) -> str:
        """``--kubeadm-config``, a path."""

    @property
    def kubernetes_version(self) -> str:
        """``--kubernetes-version``, such as 1.37."""

    @property
    def cni(self) -> str:
        """``--cni``, such as flannel/vxlan."""


def load_flags(flags: Flags) -> Settings:
    """``load`` of a command's flags; what is odd in the files is said on standard error."""
    settings = load(
        config=flags.config,
        kubeadm_config=flags.kubeadm_config,
        kubernetes_version=flags.kubernetes_version,
        cni=flags.cni,
    )
    print_warnings(settings)
    return settings


def flags_again(flags: Flags) -> str:
    """The flags that were given, as a shell takes them, for a command that is to see the same.

    Begins with a space. Standard input cannot be read twice, so it is left to a person: `FILE`.
    """
    given = {
        "--config": flags.config,
        "--kubeadm-config": flags.kubeadm_config,
        "--kubernetes-version": flags.kubernetes_version,
        "--cni": flags.cni,
    }
    words = [(name, "FILE" if text == "-" else text) for name, text in given.items() if text]
    return "".join(f" {name} {quote(text)}" for name, text in words)


def load(
    *,
    config: str = "",
    kubeadm_config: str = "",
    kubernetes_version: str = "",
    cni: str = "",
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Reads and merges everything that was given; an empty argument was not given.

    ``config`` and ``kubeadm_config`` are paths that must exist (``-``: standard input); without
    ``config``, ``DEFAULT_FILE`` is read if it is there. Raises ConfigError with file, line and key
    for input that cannot be used, UsageError for a flag that cannot.
    """
    variables = os.environ if environ is None else environ
    config = config or variables.get("NODEPREP_CONFIG", "")
    kubeadm_config = kubeadm_config or variables.get("NODEPREP_KUBEADM_CONFIG", "")
    kubernetes_version = kubernetes_version or variables.get("NODEPREP_KUBERNETES_VERSION", "")
    cni = cni or variables.get("NODEPREP_CNI", "")
    if not config and os.path.lexists(DEFAULT_FILE):
        config = DEFAULT_FILE
    if not (config or kubeadm_config or kubernetes_version or cni):
        # The common path on a fresh machine: none of the readers is imported.
        return Settings()
    if config == kubeadm_config == "-":
        raise UsageError("--config and --kubeadm-config cannot both be standard input")
    from preflight.config import merge

    return merge.settings(
        config=config,
        kubeadm_config=kubeadm_config,
        kubernetes_version=kubernetes_version,
        cni=cni,
    )


def print_warnings(settings: Settings) -> None:
    """Says on standard error what is odd in the files that were read, a line each."""
    if not settings.warnings:
        return
    from preflight.output import say

    for line in settings.warnings:
        say(line)
