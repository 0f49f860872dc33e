"""What no two nodes may share: where it is on a card, and what to do where two have it. Pure."""

from __future__ import annotations

from collections.abc import Callable

from preflight.facts.model.known import Known, Unknown
from preflight.fleet.card import Card
from rules.record import record

# Every VirtualBox machine has it on its NAT card (`node-address` judges it as a node's address).
_NAT_ADDRESS = "10.0.2.15"


@record
class Identifier:
    """``id`` of the check, ``what`` in a sentence ("the MAC"). ``values``: those of one card.

    ``shows``: whether the value itself may be shown, or is a hash that says nothing.
    """

    id: str
    what: str
    values: Callable[[Card], Known[tuple[str, ...]]]
    remedy: str
    shows: bool = True


def _one(read: Callable[[Card], Known[str | None]]) -> Callable[[Card], Known[tuple[str, ...]]]:
    def values(card: Card) -> Known[tuple[str, ...]]:
        value = read(card)
        if isinstance(value, Unknown):
            return value
        return (value,) if value else ()

    return values


def _names(card: Card) -> Known[tuple[str, ...]]:
    """The node's name, and the machine's own where somebody gave the node another: kubeadm wants
    both unique, and of a clone it is the second that tells."""
    own = "" if isinstance(card.hostname, Unknown) else card.hostname.lower()
    return tuple(name for name in dict.fromkeys((card.node, own)) if name)


def _macs(card: Card) -> Known[tuple[str, ...]]:
    if isinstance(card.interfaces, Unknown):
        return card.interfaces
    return tuple({item.mac: None for item in card.interfaces if item.mac})


def _addresses(card: Card) -> Known[tuple[str, ...]]:
    if isinstance(card.interfaces, Unknown):
        return card.interfaces
    found = {
        address.partition("/")[0]: None for item in card.interfaces for address in item.addresses
    }
    if _NAT_ADDRESS not in card.addresses:
        found.pop(_NAT_ADDRESS, None)
    return tuple(found)


_CLONE_REMEDY = (
    "on all but one of them: rm -f /etc/machine-id /var/lib/dbus/machine-id && "
    "systemd-machine-id-setup && reboot"
)
IDENTIFIERS = (
    Identifier(
        "hostname-unique",
        "the name",
        _names,
        "give all but one of them another name: hostnamectl set-hostname NAME",
    ),
    Identifier(
        "mac-unique",
        "the MAC",
        _macs,
        "give all but one of them a new MAC where the card is defined (the hypervisor, or the "
        "card's firmware)",
    ),
    Identifier(
        "product-uuid-unique",
        "the product UUID",
        _one(lambda card: card.product_uuid),
        "give each machine its own UUID: in the firmware set-up, or in the virtual machine's "
        "definition",
        shows=False,
    ),
    Identifier(
        "machine-id-unique",
        "the machine ID",
        _one(lambda card: card.machine_id),
        _CLONE_REMEDY,
        shows=False,
    ),
    Identifier(
        "ssh-host-key-unique",
        "an SSH host key",
        lambda card: card.ssh_host_keys,
        "on all but one of them: rm -f /etc/ssh/ssh_host_* && ssh-keygen -A && "
        "systemctl restart ssh",
        shows=False,
    ),
    Identifier(
        "cloud-instance-unique",
        "the cloud-init instance ID",
        _one(lambda card: card.cloud_instance),
        "on all but one of them: cloud-init clean --logs --machine-id && reboot",
        shows=False,
    ),
    Identifier(
        "address-duplicate",
        "the address",
        _addresses,
        "give all but one of them another address",
    ),
)
BY_ID = {item.id: item for item in IDENTIFIERS}
