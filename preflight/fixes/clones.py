"""What a clone shares with the machine it was copied from; only made anew when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from preflight.checks.packages import package_manager
from preflight.facts.model import known
from preflight.fixes.registry import Context, fix, restart
from preflight.fixes.steps import Note, Step, edit_file, put_link

MACHINE_ID = "/etc/machine-id"
_DBUS = "/var/lib/dbus/machine-id"
_PRIVATE_MODE = 0o600


@fix("machine-id-unique", asked=lambda options: bool(options.machine_id))
def machine_id_unique(context: Context) -> Iterator[Step | Note]:
    """A new ID with --regenerate-machine-id; else only D-Bus's copy follows the machine's own."""
    identity = known(context.facts.identity)
    made = context.options.machine_id
    if made:
        yield edit_file(MACHINE_ID, lambda _text: f"{made}\n", context.id, mode=0o444)
        yield Note(
            "journald, networkd and D-Bus use the old machine ID until they are started again: "
            "start the machine again before kubeadm"
        )
    copy = identity.dbus_machine_id
    if copy is not None and (made or context.subjects == ("D-Bus",)):
        yield put_link(_DBUS, MACHINE_ID, context.id)


@fix("ssh-host-key-unique", asked=lambda options: bool(options.host_keys))
def ssh_host_key_unique(context: Context) -> Iterator[Step | Note]:
    """New keys in the place of the old ones, with --regenerate-ssh-host-keys."""
    keys = context.options.host_keys
    debian = package_manager(context.facts) == "apt"
    effects = restart(context, "ssh.service" if debian else "sshd.service")
    for path, text in keys.items():
        private = not path.endswith(".pub")
        step = edit_file(
            path,
            lambda _text, new=text: new,  # type: ignore[misc]
            context.id,
            effects=effects,
            mode=_PRIVATE_MODE if private else 0o644,
        )
        yield replace(step, secret=private)
    if keys:
        yield Note(
            "who knows this machine's SSH key must take it out of known_hosts (ssh-keygen -R)"
        )
