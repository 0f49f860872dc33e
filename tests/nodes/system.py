"""Healthy system facts."""

from __future__ import annotations

from preflight.facts.model.identity import System


def healthy() -> System:
    return System(
        os_id="debian",
        os_version="12",
        os_name="Debian GNU/Linux 12 (bookworm)",
        kernel_name="Linux",
        kernel_release="6.1.0-40-amd64",
        architecture="x86_64",
        init="systemd",
        systemd=True,
        virtualization="kvm",
        boot_time=1795460000.0,
        environment={},
    )
