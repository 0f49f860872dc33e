from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.checks.placeholders import SHARED_UUIDS, shared_text, shared_uuid, swapped
from preflight.facts.model import Facts, Unknown
from preflight.finding import Status
from tests.nodes import healthy, identity, judge, system


def _with(**changes: Any) -> Facts:
    return replace(healthy(), identity=replace(identity.healthy(), **changes))


OWN = "8f6f5a9c-33d1-4c1e-9a7b-2b1f6c0d4e11"


@pytest.mark.parametrize(
    "uuid",
    [
        *SHARED_UUIDS,
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "58585858-5858-5858-5858-585858585858",
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
        "1a2b3c4d-ffff-ffff-ffff-ffffffffffff",
        "00020003-0004-0005-0006-000700080009",
        "03000200-0400-0500-0006-000700080009".upper(),
        "",
        "To be filled by O.E.M.",
    ],
)
def test_a_uuid_that_many_machines_have_is_found(uuid: str) -> None:
    assert shared_uuid(uuid)
    (found,) = judge("product-uuid-unique", _with(product_uuid=uuid))
    assert found.status is Status.FAIL


@pytest.mark.parametrize(
    "uuid", [OWN, OWN.upper(), "4c4c4544-0044-3010-8052-b4c04f564231", f" {OWN}\n"]
)
def test_a_uuid_of_its_own_passes(uuid: str) -> None:
    assert shared_uuid(uuid) == ""
    (found,) = judge("product-uuid-unique", _with(product_uuid=uuid))
    assert found.status is Status.PASS


def test_byte_order_is_swapped_in_the_first_three_fields_only() -> None:
    assert swapped("00112233-4455-6677-8899-aabbccddeeff") == (
        "33221100-5544-7766-8899-aabbccddeeff"
    )


@pytest.mark.parametrize(
    ("dmi", "reason", "status"),
    [
        ({}, "absent", Status.SKIP),
        ({"sys_vendor": "QEMU"}, "absent", Status.UNKNOWN),
        ({"sys_vendor": "QEMU"}, "denied", Status.UNKNOWN),
        ({}, "denied", Status.UNKNOWN),
    ],
)
def test_a_uuid_that_is_not_there_is_told_from_one_that_may_not_be_read(
    dmi: dict[str, str], reason: str, status: Status
) -> None:
    facts = _with(product_uuid=Unknown(reason, "this machine has no DMI table"), dmi=dmi)
    (found,) = judge("product-uuid-unique", facts)
    assert found.status is status


@pytest.mark.parametrize("text", ["Default string", "To Be Filled By O.E.M.", "", "0000000000"])
def test_texts_that_say_nothing(text: str) -> None:
    assert shared_text(text)
    assert not shared_text("VMware-42 1e 4f")


GOOD = "5c2b6c1a9e0f4d7b8a31f0e2d4c6b8a0"


@pytest.mark.parametrize(
    ("machine_id", "words"),
    [
        (None, "is not there"),
        ("", "is empty"),
        ("uninitialized", "never written down"),
        ("0" * 32, "all zeros"),
        (GOOD[:31], "not 32"),
        (GOOD + "a", "not 32"),
        (GOOD.upper(), "not 32"),
        (OWN, "not 32"),
    ],
)
def test_a_machine_id_that_is_none_fails(machine_id: str | None, words: str) -> None:
    (found,) = judge("machine-id-unique", _with(machine_id=machine_id))
    assert found.status is Status.FAIL
    assert words in found.message
    assert "systemd-machine-id-setup" in found.remedy


def test_the_remedy_fits_a_machine_without_systemd() -> None:
    facts = replace(_with(machine_id=""), system=replace(system.healthy(), systemd=False))
    (found,) = judge("machine-id-unique", facts)
    assert "dbus-uuidgen" in found.remedy


def test_a_machine_id_of_its_own_passes() -> None:
    (found,) = judge("machine-id-unique", healthy())
    assert found.status is Status.PASS


@pytest.mark.parametrize("copy", [None, GOOD])
def test_no_copy_and_an_equal_copy_pass(copy: str | None) -> None:
    (found,) = judge("machine-id-unique", _with(dbus_machine_id=copy))
    assert found.status is Status.PASS


def test_the_template_s_id_left_with_dbus_is_a_warning() -> None:
    (found,) = judge("machine-id-unique", _with(dbus_machine_id="ab" * 16))
    assert (found.status, found.subject) == (Status.WARN, "D-Bus")


def test_an_id_in_memory_only_is_a_warning() -> None:
    (found,) = judge("machine-id-unique", _with(machine_id_transient=True))
    assert found.status is Status.WARN
    assert found.remedy == "systemd-machine-id-setup --commit"


@pytest.mark.parametrize("name", ["machine_id", "dbus_machine_id"])
def test_a_machine_id_that_may_not_be_read_is_unknown(name: str) -> None:
    (found,) = judge("machine-id-unique", _with(**{name: Unknown("denied", "no")}))
    assert found.status is Status.UNKNOWN


def test_one_node_alone_cannot_judge_its_host_keys() -> None:
    (found,) = judge("ssh-host-key-unique", healthy())
    assert found.status is Status.SKIP
    assert "its 1 host key " in found.message
    (found,) = judge("ssh-host-key-unique", _with(ssh_host_keys=()))
    assert found.status is Status.SKIP
    (found,) = judge("ssh-host-key-unique", _with(ssh_host_keys=Unknown("denied", "no")))
    assert found.status is Status.UNKNOWN
