"""The single file: one archive that python3 runs, with everything but Python inside.

Neither pex nor shiv: both run from a directory of unpacked code without asking who owns it; pex
starts a second interpreter, and took 3.4 times as long as the installed command; shiv keeps one
build of psutil, where the file must serve four.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

from release.sources import ROOT
from release.wheels import NATIVE

STARTER = ROOT / "onefile"
# The directive of style guides for Python programs: whatever python3 comes first.
SHEBANG = b"#!/usr/bin/env python3\n"
BUILD = "onefile/build.py"
# Of a wheel's description only what a licence or importlib.metadata asks for.
_DESCRIPTION = ("METADATA", "LICENSE", "COPYING", "NOTICE", "AUTHORS", "licenses")
_CODE = (".py", ".j2")
# zip cannot say an earlier time.
_ZIP_BEGIN = 315532800


def write(target: Path, own: Path, wheels: Mapping[str, list[Path]], epoch: int) -> None:
    """Writes the file from the wheel of nodeprep and those of ``wheels.download``."""
    members = _members(own, wheels)
    named = hashlib.sha256()
    for name, data in sorted(members.items()):
        named.update(f"{name}\0{len(data)}\0".encode() + data)
    build = members[BUILD].decode()
    if build.count('ID = ""') != 1:
        raise ValueError(f"{BUILD} has no place for the build's name")
    members[BUILD] = build.replace('ID = ""', f'ID = "{named.hexdigest()}"').encode()
    date = time.gmtime(max(epoch, _ZIP_BEGIN))[:6]
    with target.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, data in sorted(members.items()):
                entry = zipfile.ZipInfo(name, date)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o100644 << 16
                entry.create_system = 3
                archive.writestr(entry, data)
    target.chmod(0o755)


def _members(own: Path, wheels: Mapping[str, list[Path]]) -> dict[str, bytes]:
    """Name in the archive -> its content."""
    members = {f"onefile/{path.name}": path.read_bytes() for path in STARTER.glob("*.py")}
    members["__main__.py"] = members.pop("onefile/__main__.py")
    for wheel in (own, *wheels["any"]):
        _add(members, _contents(wheel), str(wheel.name))
    python: dict[str, bytes] = {}
    for platform, (wheel,) in ((name, found) for name, found in wheels.items() if name != "any"):
        contents = _contents(wheel)
        compiled = {name: data for name, data in contents.items() if name.endswith(".so")}
        here = {name: data for name, data in contents.items() if name.startswith(f"{NATIVE}/")}
        for name in compiled:
            members[f"native/{platform}/{name.rpartition('/')[2]}"] = here.pop(name)
        if python and here != python:
            raise ValueError(f"{wheel.name} has other Python code than its sister for gnu")
        if not python:
            python = here
            _add(members, {n: d for n, d in contents.items() if n not in compiled}, wheel.name)
    return members


def _add(members: dict[str, bytes], new: Mapping[str, bytes], origin: str) -> None:
    for name, data in new.items():
        if name.endswith(".so"):
            continue
        if name in members:
            raise ValueError(f"{origin}: {name} is in the archive already")
        members[name] = data


def _contents(wheel: Path) -> dict[str, bytes]:
    """The code and the licences of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if _wanted(name)}


def _wanted(name: str) -> bool:
    top, _, rest = name.partition("/")
    if top.endswith(".dist-info"):
        return rest.startswith(_DESCRIPTION)
    return name.endswith((*_CODE, ".so")) and "/tests/" not in name
