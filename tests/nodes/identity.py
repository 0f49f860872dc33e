"""Healthy identity facts."""

from __future__ import annotations

from ipaddress import ip_address

from preflight.facts.model.identity import HostEntry, HostKey, Identity, NameLookup


def healthy() -> Identity:
    node, v4, v6 = (ip_address(text) for text in ("192.0.2.11", "127.0.0.1", "::1"))
    return Identity(
        hostname="m1",
        etc_hostname="m1",
        cloud_hostname=None,
        hosts=(
            HostEntry(v4, ("localhost",)),
            HostEntry(v6, ("localhost", "ip6-localhost", "ip6-loopback")),
            HostEntry(node, ("m1.example.net", "m1")),
        ),
        hostname_lookup=NameLookup("m1", (node,), source="/etc/hosts"),
        localhost_lookup=NameLookup("localhost", (v4, v6), source="/etc/hosts"),
        machine_id="5c2b6c1a9e0f4d7b8a31f0e2d4c6b8a0",
        product_uuid="8f6f5a9c-33d1-4c1e-9a7b-2b1f6c0d4e11",
        dmi={
            "sys_vendor": "QEMU",
            "product_name": "Standard PC (Q35 + ICH9, 2009)",
            "product_version": "pc-q35-7.2",
            "bios_vendor": "SeaBIOS",
        },
        cloud_instance_id=None,
        ssh_host_keys=(
            HostKey(
                "/etc/ssh/ssh_host_ed25519_key.pub",
                "ssh-ed25519",
                "SHA256:ymjV8nK1m5F0pOyD0Wq0yG8r0iVtCrQG0m3LqXq7n2k",
            ),
        ),
        name_server_lookup=NameLookup("m1.example.net", (node,), source="name server"),
        dbus_machine_id="5c2b6c1a9e0f4d7b8a31f0e2d4c6b8a0",
    )
