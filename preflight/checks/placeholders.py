"""Identifiers that a vendor left in thousands of machines: they identify none of them."""

from __future__ import annotations

import re

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Sources: the host ids that FreeBSD refuses (libexec/rc/rc.d/hostid), and reports of users.
SHARED_UUIDS = {
    "03000200-0400-0500-0006-000700080009": "AMI firmware that was never programmed",
    "07090201-0103-0301-0807-060504030201": "a counting pattern",
    "00010203-0405-0607-0809-0a0b0c0d0e0f": "a counting pattern",
    "11111111-2222-3333-4444-555555555555": "a fill pattern",
    "12345678-1234-5678-90ab-cddeefaabbcc": "a board that was never programmed",
    "03d40274-0435-05dc-8506-010700080009": "one family of boards",
    "4c4c4544-0000-2010-8020-80c04f202020": "a Dell without a service tag",
    "890e2d14-cacd-45d1-ae66-bc80e8bfeb0f": "a board that was never programmed",
    "8e275844-178f-44a8-aceb-a7d7e5178c63": "a board that was never programmed",
    "dc698397-fa54-4cf2-82c8-b1b5307a6a7f": "a board that was never programmed",
    "8a95d198-7f46-11e5-bf8b-08002704d48e": "SolidRun firmware that was never programmed",
}
# What DMI texts hold where the vendor wrote nothing.
SHARED_TEXTS = frozenset(
    {
        "",
        "default string",
        "to be filled by o.e.m.",
        "system serial number",
        "system product name",
        "not specified",
        "not applicable",
        "none",
        "0000000000",
    }
)


def swapped(uuid: str) -> str:
    """The UUID with the bytes of its first three fields reversed: SMBIOS before 2.6, and Azure."""
    first, second, third, *rest = uuid.split("-")
    fields = (bytes.fromhex(field)[::-1].hex() for field in (first, second, third))
    return "-".join((*fields, *rest))


def shared_uuid(uuid: str) -> str:
    """Where a UUID comes from that many machines share; empty for one that may be its own.

    Case and byte order do not count. A text that is no UUID at all is ``not a UUID``.
    """
    lowered = uuid.strip().lower()
    if not _UUID.fullmatch(lowered):
        return "not a UUID"
    digits = bytes.fromhex(lowered.replace("-", ""))
    if len(set(digits)) == 1:
        return "one byte repeated, as firmware without a UUID has it"
    if lowered.endswith("-ffff-ffff-ffff-ffffffffffff"):
        return "filled up with ones, as firmware without a UUID has it"
    return SHARED_UUIDS.get(lowered) or SHARED_UUIDS.get(swapped(lowered), "")


def shared_text(text: str) -> bool:
    """Whether a DMI text (a serial number, a product name) says nothing."""
    return text.strip().lower() in SHARED_TEXTS
