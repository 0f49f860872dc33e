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
        boot_id="0b6c3a52-7d1e-4a7f-9b1c-5e2f8a4d6c30",
        utc_offset_minutes=0,
    )
