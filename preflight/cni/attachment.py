"""One interface of one container in one network: what every call of a plugin is about. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from preflight.cni.spec import INTERFACE_NAME_LIMIT, valid_interface, valid_name
from rules.errors import UsageError
from rules.record import field, record

DEFAULT_INTERFACE = "eth0"


@record
class Attachment:
    """``netns`` is the path of the namespace, empty where it is gone (DEL only).

    ``arguments`` are CNI_ARGS, ``capabilities`` what a runtime has to offer (``portMappings``,
    ``bandwidth``, ...): each plugin gets those that its configuration declares.
    """

    container: str
    netns: str
    interface: str = DEFAULT_INTERFACE
    arguments: tuple[tuple[str, str], ...] = ()
    capabilities: Mapping[str, Any] = field(default_factory=dict)


def validate(attachment: Attachment) -> None:
    """Raises UsageError for what libcni would refuse, in words that say what is allowed."""
    if not attachment.container:
        raise UsageError("a container id is needed")
    if not valid_name(attachment.container):
        raise UsageError(
            f"{attachment.container!r} is no container id: letters, digits, _ . and - only, and "
            "the first one is a letter or digit"
        )
    if not valid_interface(attachment.interface):
        raise UsageError(
            f"{attachment.interface!r} is no interface name: at most {INTERFACE_NAME_LIMIT} bytes, "
            "without / : and blanks, and not . or .."
        )
    for name, value in attachment.arguments:
        if not name or any(mark in name + value for mark in ";=\0\n"):
            raise UsageError(f"{name!r}={value!r}: an argument is NAME=VALUE without ; and =")


def environment(
    command: str, attachment: Attachment, plugin_dirs: tuple[str, ...]
) -> dict[str, str]:
    """The variables of a call. skel of the reference plugins wants all of them for every verb."""
    return {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": attachment.container,
        "CNI_NETNS": attachment.netns,
        "CNI_IFNAME": attachment.interface,
        "CNI_ARGS": ";".join(f"{name}={value}" for name, value in attachment.arguments),
        "CNI_PATH": ":".join(plugin_dirs),
    }
