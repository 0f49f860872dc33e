"""cloud-init: the name that it will give at the next boot, and the instance that it saw."""

from __future__ import annotations

import os
import re

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from rules.record import record

CONFIG = "/etc/cloud/cloud.cfg"
CONFIG_DIRECTORY = "/etc/cloud/cloud.cfg.d"
# Merged user data; it holds secrets and only root may read it.
USER_CONFIG = "/var/lib/cloud/instance/cloud-config.txt"
DISABLED = "/etc/cloud/cloud-init.disabled"
# The names that cloud-init set last: from the platform's metadata, and what it wrote.
SET_HOSTNAME = "/var/lib/cloud/data/set-hostname"
PREVIOUS_HOSTNAME = "/var/lib/cloud/data/previous-hostname"
INSTANCE_ID = "/var/lib/cloud/data/instance-id"

_OPTION = re.compile(
    r"^(preserve_hostname|hostname|fqdn)[ \t]*:[ \t]*(\"[^\"]*\"|'[^']*'|[^\s#]*)", re.MULTILINE
)
_TRUE = ("true", "1", "on", "yes")


@record
class HostnameOptions:
    """The top-level options about the host name; None or empty where a file does not say."""

    preserve: bool | None = None
    hostname: str = ""
    fqdn: str = ""

    def over(self, lower: HostnameOptions) -> HostnameOptions:
        """These options, and ``lower``'s where these say nothing."""
        return HostnameOptions(
            lower.preserve if self.preserve is None else self.preserve,
            self.hostname or lower.hostname,
            self.fqdn or lower.fqdn,
        )


def parse_options(text: str) -> HostnameOptions:
    """The options of one cloud-config file. Three flat keys: no YAML parser is needed."""
    found = {key: value.strip("\"'") for key, value in _OPTION.findall(text)}
    preserve = found.get("preserve_hostname")
    return HostnameOptions(
        None if preserve is None else preserve.lower() in _TRUE,
        found.get("hostname", ""),
        found.get("fqdn", ""),
    )


def parse_set_hostname(text: str) -> str:
    """The ``hostname`` of cloud-init's record of what it set; empty where it cannot be read."""
    match = re.search(r'"hostname"\s*:\s*"([^"\\]*)"', text)
    return match.group(1) if match else ""


def next_hostname(
    options: HostnameOptions, recorded: str, previous: str, static: str | None
) -> str | None:
    """The name that cloud-init will write at the next boot, None where it leaves what is there.

    ``recorded`` is the platform's name, ``previous`` what cloud-init wrote last, ``static`` what
    /etc/hostname holds. A name that differs from ``previous`` was changed by hand, and stays
    (https://cloudinit.readthedocs.io/en/latest/reference/modules.html#update-hostname).
    """
    if options.preserve:
        return None
    if static and previous and static != previous:
        return None
    name = options.hostname or options.fqdn.split(".", 1)[0] or recorded or previous
    if not name or static in (name, options.fqdn or name):
        return None
    return name


def collect_cloud_hostname(host: Host, static: Known[str | None]) -> Known[str | None]:
    """``next_hostname`` of this machine; None where cloud-init is absent or turned off."""
    text = host.read(CONFIG)
    if isinstance(text, Unknown):
        return None if text.reason == "absent" else text
    if os.path.exists(DISABLED) or _disabled_at_boot(host):
        return None
    if isinstance(static, Unknown):
        return static
    options = parse_options(text)
    names = host.listdir(CONFIG_DIRECTORY)
    for name in () if isinstance(names, Unknown) else names:
        text = host.read(f"{CONFIG_DIRECTORY}/{name}") if name.endswith(".cfg") else ""
        if isinstance(text, Unknown):
            return text
        options = parse_options(text).over(options)
    user = host.read(USER_CONFIG)
    if isinstance(user, Unknown):
        # What only root may read could say "preserve", or another name.
        if user.reason != "absent" and not options.preserve:
            return user
    else:
        options = parse_options(user).over(options)
    return next_hostname(
        options,
        parse_set_hostname(_text(host, SET_HOSTNAME)),
        _text(host, PREVIOUS_HOSTNAME),
        static,
    )


def collect_instance_id(host: Host) -> Known[str | None]:
    """The instance that cloud-init set this disk up for; a clone still has its template's."""
    text = host.read_optional(INSTANCE_ID)
    return text if text is None or isinstance(text, Unknown) else text.strip()


def _disabled_at_boot(host: Host) -> bool:
    return "cloud-init=disabled" in _text(host, "/proc/cmdline").split()


def _text(host: Host, path: str) -> str:
    text = host.read(path)
    return "" if isinstance(text, Unknown) else text.strip()
