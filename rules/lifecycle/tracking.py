"""Connections that are open before the kernel tracks any.

Tracking begins with the first rule that asks for it. Of a connection that this host opened before,
it may first see what the far end sends: that looks like a new connection to some high port, and
rules that drop the rest drop it, until this host sends on it. On etcd's streams only one end
speaks: three members without kube-proxy (whose rules track) that got their rules at the same time
wrote nothing for 5 s, their read timeout. So the first rules come twice: without their last word,
and a while later with it.
"""

from __future__ import annotations

import time

from rules.backend import Backend, Own, Texts
from rules.errors import CommandError
from rules.sockets import parse_connections

# An etcd leader sends every 0.1 s (--heartbeat-interval), with slow networks every 0.5 s.
LISTEN_S = 1.0
_LAST_WORD = '"nodeprep:enforce"'


def let_meet(owner: Backend, texts: Texts, live: Own) -> Own:
    """Lets connection tracking meet the open connections, before ``load(texts, live)``.

    Gives what is ours then: ``live`` where there is nothing to wait for. Raises as ``load`` does.
    """
    if live or owner.restores_at_boot or not has_connections():
        return live
    owner.load(without_drops(texts), live)
    time.sleep(LISTEN_S)
    return owner.read()


def without_drops(texts: Texts) -> dict[str, dict[str, str]]:
    """The same rules, but what nobody lets in is left alone."""
    return {
        target: {
            name: "".join(line for line in text.splitlines(True) if _LAST_WORD not in line)
            for name, text in files.items()
        }
        for target, files in texts.items()
    }


def has_connections() -> bool:
    """Whether a TCP connection to another host is open. Raises CommandError."""
    return any(
        not connection.on_loopback and connection.local != connection.remote
        for name in ("tcp", "tcp6")
        for connection in parse_connections(_read(f"/proc/net/{name}"))
    )


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""  # a kernel without IPv6
    except OSError as error:
        raise CommandError("denied", f"{path}: {error.strerror}") from error
