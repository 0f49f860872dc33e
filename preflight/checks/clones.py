"""Signs that this machine is a copy of another: identifiers that must be its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from preflight.checks.cards import twins
from preflight.checks.placeholders import shared_uuid
from preflight.checks.registry import (
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
    warned,
)
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.identity import Identity
from preflight.target import Target

UNIQUE = (
    "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"
    "#verify-mac-address"
)
# Source: machine-id(5): 32 lower-case hexadecimal digits, not all zeros.
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
NEW_MACHINE_ID = (
    "rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup && reboot"
)
NEW_MACHINE_ID_BY_DBUS = "rm -f /etc/machine-id && dbus-uuidgen --ensure=/etc/machine-id"


@check(
    "product-uuid-unique",
    title="The firmware's UUID is the machine's own",
    why="Kubernetes tells machines apart by their product UUID. Copied virtual machines and some "
    "boards share one, and then nodes are taken for each other.",
    source=UNIQUE,
    applies="Reading it needs root. Machines without DMI (many ARM boards, Firecracker, "
    "containers) have none; the kubelet takes the machine ID there.",
)
def product_uuid_unique(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement on /sys/class/dmi/id/product_uuid."""
    yield from twins(target, "product-uuid-unique")
    identity = known(facts.identity)
    uuid = identity.product_uuid
    if isinstance(uuid, Unknown) and uuid.reason == "absent" and not identity.dmi:
        yield skipped(
            f"{uuid.message}, so there is no product UUID to share; the kubelet takes the machine "
            "ID in its place, which machine-id-unique judges"
        )
        return
    value = known(uuid)
    origin = shared_uuid(value)
    if not origin:
        yield passed(
            f"the product UUID is {value.lower()}, and no vendor's placeholder", observed=value
        )
        return
    yield failed(
        f"the product UUID {value or '(empty)'} is a placeholder that other machines have too: "
        f"{origin}",
        observed=value,
        expected="a UUID that no other machine has",
        remedy="give the machine its own UUID: on real hardware in the firmware set-up or with the "
        "vendor's tool, for a virtual machine in its definition (for libvirt: virsh edit, <uuid>)",
    )


@check(
    "machine-id-unique",
    fix="machine-id-unique",
    title="The machine ID is there and the machine's own",
    why="DHCP leases, the journal and, without a product UUID, the kubelet go by the machine ID. "
    "Clones that share it get each other's addresses.",
    source="https://www.freedesktop.org/software/systemd/man/latest/machine-id.html",
)
def machine_id_unique(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement on /etc/machine-id, and a warning where its D-Bus copy is another."""
    yield from twins(target, "machine-id-unique")
    identity = known(facts.identity)
    machine_id = known(identity.machine_id)
    if problem := _machine_id_problem(machine_id):
        systemd = isinstance(facts.system, Unknown) or facts.system.systemd
        yield failed(
            f"/etc/machine-id {problem}",
            observed=machine_id or "",
            expected="32 hexadecimal digits of its own",
            remedy=NEW_MACHINE_ID if systemd else NEW_MACHINE_ID_BY_DBUS,
        )
        return
    if identity.machine_id_transient:
        yield warned(
            f"the machine ID {machine_id} was made at this boot and is in memory only: the next "
            "boot makes another",
            remedy="systemd-machine-id-setup --commit",
        )
        return
    if warning := _dbus_warning(identity):
        yield warning
    else:
        yield passed(f"/etc/machine-id is {machine_id}", observed=machine_id or "")


def _machine_id_problem(machine_id: str | None) -> str:
    if machine_id is None:
        return "is not there"
    if not machine_id:
        return "is empty, as in a template"
    if machine_id == "uninitialized":
        return 'says "uninitialized": the ID of this boot was never written down'
    if not _MACHINE_ID.fullmatch(machine_id):
        return f"holds {machine_id[:40]}, which is not 32 lower-case hexadecimal digits"
    return "is all zeros" if not machine_id.strip("0") else ""


def _dbus_warning(identity: Identity) -> Judgement | None:
    copy = identity.dbus_machine_id
    if isinstance(copy, Unknown):
        return undetermined(copy.message, subject="D-Bus")
    if copy is None or copy == identity.machine_id:
        return None
    return warned(
        f"D-Bus keeps another machine ID, {copy or '(empty)'}, likely that of the template this "
        "machine was copied from",
        subject="D-Bus",
        observed=copy,
        expected=str(identity.machine_id),
        remedy="ln -sf /etc/machine-id /var/lib/dbus/machine-id",
    )


@check(
    "ssh-host-key-unique",
    fix="ssh-host-key-unique",
    title="No other machine has the SSH host keys",
    why="Machines copied from one disk share their SSH host keys: the surest sign of a clone, and "
    "each can pretend to be the other.",
    source="https://cloudinit.readthedocs.io/en/latest/reference/modules.html#ssh",
    severity=WARNING,
    applies="One node alone cannot tell; `nodeprep compare` holds all cards side by side.",
)
def ssh_host_key_unique(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one skip; the fingerprints are in the facts and in the card."""
    if target.deck is not None:
        yield from twins(target, "ssh-host-key-unique")
        return
    keys = known(known(facts.identity).ssh_host_keys)
    if not keys:
        yield skipped("this machine has no SSH host keys")
        return
    count = f"{len(keys)} host key" if len(keys) == 1 else f"{len(keys)} host keys"
    yield skipped(
        f"one node alone cannot tell whether its {count} are elsewhere too; compare the cards of "
        "all nodes with: nodeprep compare"
    )
