"""nodeprep.yaml, kubeadm configuration, environment, flags -> Settings."""

from __future__ import annotations

from preflight.settings import Settings


def load(
    *, config: str = "", kubeadm_config: str = "", kubernetes_version: str = "", cni: str = ""
) -> Settings:
    """Reads and merges everything: flags beat the file beats defaults. Raises ConfigError."""
    return Settings()
