"""The kinds of things that an installation makes on a host: read one, put it, take it away.

A state is text that holds all of it, so that it can be put back byte for byte; None: not there.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from collections.abc import Callable
from ipaddress import ip_interface
from itertools import takewhile
from typing import Any

from preflight.alongside import by_itself, paths_along
from preflight.cni import nftrule, owners, packages, routes
from rules.errors import EXIT_FAILED, CommandError, NodeprepError
from rules.record import record
from rules.run import find_program, run

_TIMEOUT_S = 20.0
# No runtime reads a file whose name ends so.
_UNFINISHED = ".nodeprep-new"


class InstallError(NodeprepError):
    """Something cannot be put in place; what was changed before it has been put back."""

    exit_code = EXIT_FAILED


@record
class Kind:
    """``read(name)`` -> state; ``write(name, state)``; ``show(state)`` is for a person.

    ``stepwise``: a write that is killed half-way leaves neither the old state nor the new one.
    """

    read: Callable[[str], str | None]
    write: Callable[[str, str | None], None]
    show: Callable[[str], str]
    stepwise: bool = False


def file_state(data: bytes, mode: int, *, uid: int = 0, gid: int = 0) -> str:
    """The state of a file with these contents."""
    encoded = base64.b64encode(data).decode()
    return json.dumps({"data": encoded, "gid": gid, "mode": mode, "uid": uid}, sort_keys=True)


def link_state(target: str) -> str:
    """The state of a symbolic link."""
    return json.dumps({"link": target})


def _read_file(path: str) -> str | None:
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return link_state(os.readlink(path))
        if not stat.S_ISREG(status.st_mode):
            raise InstallError(f"{path}: is not a file, and a file is to be there")
        with open(path, "rb") as stream:
            data = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InstallError(f"{path}: cannot be read: {error.strerror}") from None
    return file_state(data, stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid)


def drop_unfinished(path: str) -> None:
    """Removes what a run that was killed while it wrote ``path`` has left."""
    _remove_stale(f"{path}{_UNFINISHED}")


def _write_file(path: str, state: str | None) -> None:
    """By rename, under a name that no runtime reads. The data is on the disk before the name."""
    temporary = f"{path}{_UNFINISHED}"
    try:
        if state is None:
            os.unlink(path)
            return
        said: dict[str, Any] = json.loads(state)
        _remove_stale(temporary)
        if "link" in said:
            os.symlink(str(said["link"]), temporary)
        else:
            _write_new(temporary, said)
        os.replace(temporary, path)
    except FileNotFoundError as error:
        if state is not None:
            raise InstallError(f"{path}: cannot be written: {error.strerror}") from None
    except OSError as error:
        _remove_stale(temporary)
        verb = "removed" if state is None else "written"
        raise InstallError(f"{path}: cannot be {verb}: {error.strerror}") from None


def _write_new(path: str, said: dict[str, Any]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as stream:
        stream.write(base64.b64decode(said["data"]))
        stream.flush()
        if (said["uid"], said["gid"]) != (os.geteuid(), os.getegid()):
            os.fchown(stream.fileno(), int(said["uid"]), int(said["gid"]))
        os.fchmod(stream.fileno(), int(said["mode"]))
        os.fsync(stream.fileno())


def _remove_stale(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)


def _show_file(state: str) -> str:
    said = json.loads(state)
    if "link" in said:
        return f"-> {said['link']}\n"
    data = base64.b64decode(said["data"])
    try:
        text = data.decode()
    except UnicodeDecodeError:
        from hashlib import sha256

        return f"{len(data)} bytes, sha256 {sha256(data).hexdigest()}, mode {said['mode']:04o}\n"
    return text if text.isprintable() or "\0" not in text else f"{len(data)} bytes\n"


def _read_directory(path: str) -> str | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InstallError(f"{path}: cannot be read: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise InstallError(f"{path}: is there and is no directory")
    return "directory"


def _write_directory(path: str, state: str | None) -> None:
    try:
        if state is None:
            os.rmdir(path)
        else:
            os.mkdir(path, 0o755)
            os.chmod(path, 0o755)  # noqa: S103 - as every package lays down its directories
    except FileExistsError:
        return
    except OSError as error:
        if state is None:  # somebody keeps something else in it by now
            return
        raise InstallError(f"{path}: cannot be made: {error.strerror}") from None


def _read_sysctl(name: str) -> str | None:
    """The value; where it is 0 and others that go along are not as that makes them, those too."""
    value = _setting(f"/proc/sys/{name}")
    if value != "0":
        return value
    found = {path: _setting(path) for path in paths_along(name.replace("/", "."))}
    along = {path: text for path, text in found.items() if text not in (None, by_itself(path, "0"))}
    return json.dumps({"value": value, "with": along}, sort_keys=True) if along else value


def _setting(path: str) -> str | None:
    try:
        with open(path, encoding="ascii") as stream:
            return stream.read().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InstallError(f"{path}: cannot be read: {error.strerror}") from None


def _write_sysctl(name: str, state: str | None) -> None:
    if state is None:
        return
    said = _sysctl_of(state)
    _set(f"/proc/sys/{name}", said["value"])
    for path, value in said["with"].items():
        # An interface may be gone by now, and its settings with it.
        if os.path.exists(path):
            _set(path, value)


def _set(path: str, value: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as stream:
            stream.write(value)
    except OSError as error:
        raise InstallError(f"{path}: cannot be set: {error.strerror}") from None


def _sysctl_of(state: str) -> dict[str, Any]:
    said: dict[str, Any] = (
        json.loads(state) if state.startswith("{") else {"value": state, "with": {}}
    )
    return said


def _show_sysctl(state: str) -> str:
    return str(_sysctl_of(state)["value"])


def _read_module(name: str) -> str | None:
    try:
        with open("/proc/modules", encoding="ascii") as stream:
            names = {line.split(" ", 1)[0] for line in stream}
    except OSError:
        return None
    return "loaded" if name.replace("-", "_") in names else None


def _write_module(name: str, state: str | None) -> None:
    # A module that others may use by now stays; it costs some memory until the next boot.
    if state is not None:
        _command("modprobe", name)


def bridge_state(mac: str, mtu: int, addresses: tuple[str, ...]) -> str:
    """A bridge that is up. ``mac`` empty: nobody gave it one. ``mtu`` 0: the kernel's."""
    wanted = sorted(str(ip_interface(item)) for item in addresses)
    return json.dumps({"addresses": wanted, "mac": mac, "mtu": mtu or 1500, "up": True})


def _read_bridge(name: str) -> str | None:
    try:
        done = run(["ip", "-d", "-j", "addr", "show", "dev", name], timeout_s=_TIMEOUT_S)
    except CommandError as error:
        if "does not exist" in str(error):
            return None
        raise
    item = next(found for found in json.loads(done.stdout) if found)
    if (item.get("linkinfo") or {}).get("info_kind") != "bridge":
        raise InstallError(f"{name}: is no bridge; delete it, or name another: --bridge NAME")
    addresses = sorted(
        str(ip_interface(f"{one['local']}/{one['prefixlen']}"))
        for one in item.get("addr_info", ())
        if one.get("scope") != "link"
    )
    mac = str(item["address"]) if _pinned(name) else ""
    up = "UP" in item.get("flags", ())
    return json.dumps({"addresses": addresses, "mac": mac, "mtu": int(item["mtu"]), "up": up})


def _pinned(name: str) -> bool:
    """NET_ADDR_SET of <linux/netdevice.h>: somebody gave it its MAC."""
    try:
        with open(f"/sys/class/net/{name}/addr_assign_type", encoding="ascii") as stream:
            return stream.read().strip() == "3"
    except OSError:
        return False


def _write_bridge(name: str, state: str | None) -> None:
    before = _read_bridge(name)
    if state is None:
        if before is not None:
            _command("ip", "link", "delete", name, "type", "bridge")
        return
    said = json.loads(state)
    mac = ["address", said["mac"]] if said["mac"] else []
    if before is None:
        _command("ip", "link", "add", name, *mac, "type", "bridge")
        before = json.dumps({"addresses": []})
    elif mac:
        _command("ip", "link", "set", "dev", name, *mac)
    _command("ip", "link", "set", "dev", name, "mtu", str(said["mtu"]))
    there = json.loads(before)["addresses"]
    for address in there:
        if address not in said["addresses"]:
            _command("ip", "address", "del", address, "dev", name)
    for address in said["addresses"]:
        if address not in there:
            nodad = ["nodad"] if ":" in address else []
            _command("ip", "address", "add", address, "dev", name, *nodad)
    _command("ip", "link", "set", "dev", name, "up" if said["up"] else "down")


def _read_nft(name: str) -> str | None:
    if find_program("nft") is None:
        return None
    try:
        return run(["nft", "list", "table", *name.split()], timeout_s=_TIMEOUT_S).stdout
    except CommandError as error:
        if "No such file" in str(error):
            return None
        raise


def _write_nft(name: str, state: str | None) -> None:
    clear = f"add table {name}\ndelete table {name}\n"
    run(["nft", "-f", "-"], timeout_s=_TIMEOUT_S, stdin=clear + (state or ""))


def nft_state(name: str, text: str) -> str:
    """How the kernel prints a table of this text: asked in a network of its own."""
    script = f"nft -f - && nft list table {name}"
    done = run(["unshare", "--net", "sh", "-c", script], timeout_s=_TIMEOUT_S, stdin=text)
    return done.stdout


# A rule's name is its program, table and chain, and then the rule itself.
_RULE = re.compile(r"(\S+) (\S+) (\S+) (.*)")


def _rule(name: str) -> tuple[str, list[str]]:
    match = _RULE.fullmatch(name)
    if match is None:
        raise InstallError(f"{name!r} is no rule")
    return match[1], [match[2], match[3], *match[4].split(" ")]


def _read_rule(name: str) -> str | None:
    program, (table, chain, *rule) = _rule(name)
    try:
        run([program, "-w", "-t", table, "-C", chain, *rule], timeout_s=_TIMEOUT_S)
    except CommandError as error:
        if error.reason in ("failed", "absent"):
            return None
        raise
    return "present"


def _write_rule(name: str, state: str | None) -> None:
    program, (table, chain, *rule) = _rule(name)
    if (_read_rule(name) is None) is not (state is None):
        if state is None:
            _command(program, "-w", "-t", table, "-D", chain, *rule)
        else:
            place = _behind_firewall(program, table, chain)
            _command(program, "-w", "-t", table, "-I", chain, str(place), *rule)


def _behind_firewall(program: str, table: str, chain: str) -> int:
    """The first place of a chain that comes after the firewall's own jump, which must stay first:
    what it limits for pods would otherwise be accepted before it is asked."""
    done = run([program, "-w", "-t", table, "-S", chain], timeout_s=_TIMEOUT_S)
    rules = (line for line in done.stdout.splitlines() if line.startswith("-A"))
    return 1 + sum(1 for _ in takewhile(lambda rule: " -j NODEPREP-" in rule, rules))


def _command(*argv: str) -> None:
    try:
        run(list(argv), timeout_s=_TIMEOUT_S)
    except CommandError as error:
        raise InstallError(str(error)) from None


def _as_it_is(state: str) -> str:
    return f"{state}\n"


KINDS: dict[str, Kind] = {
    "directory": Kind(_read_directory, _write_directory, _as_it_is),
    "file": Kind(_read_file, _write_file, _show_file),
    "sysctl": Kind(_read_sysctl, _write_sysctl, _show_sysctl),
    "module": Kind(_read_module, _write_module, _as_it_is),
    "bridge": Kind(_read_bridge, _write_bridge, _as_it_is, stepwise=True),
    "nft": Kind(_read_nft, _write_nft, _as_it_is),
    "rule": Kind(_read_rule, _write_rule, _as_it_is),
    "nft-rule": Kind(nftrule.read, nftrule.write, _as_it_is),
    "owner": Kind(owners.read, owners.write, owners.show),
    "package": Kind(packages.read, packages.write, _as_it_is),
    "route": Kind(routes.read, routes.write, _as_it_is),
}


def look_anew() -> None:
    """Before the states of many things are read: what kinds remember of an earlier look, be it of
    the same process, is forgotten."""
    routes.forget()
