"""Compiled parts of the archive, loaded from memory: no directory has to allow programs."""

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType
from zipimport import zipimporter

# Module -> the name of its file below native/MACHINE-LIBC/ in the archive.
EXTENSIONS = {"psutil._psutil_linux": "_psutil_linux.abi3.so"}
LIBCS = ("gnu", "musl")


class Loader(ExtensionFileLoader):
    """Loads one extension module for this machine, whichever C library it has."""

    def __init__(self, name: str, archive: zipimporter) -> None:
        super().__init__(name, f"{archive.archive}/native/{EXTENSIONS[name]}")
        self.archive = archive

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module by the build for this C library. Raises ImportError."""
        machine = os.uname().machine
        reasons = []
        for libc in libcs():
            member = f"native/{machine}-{libc}/{EXTENSIONS[spec.name]}"
            try:
                data = self.archive.get_data(member)
            except OSError:
                reasons.append(f"no {member}")
                continue
            try:
                return _loaded(spec.name, data)
            except ImportError as error:
                reasons.append(f"{member}: {error}")
        raise ImportError(f"{spec.name}: {'; '.join(reasons)}", name=spec.name)


def libcs() -> tuple[str, ...]:
    """The C libraries to try, this interpreter's own first."""
    musl = any("musl" in suffix for suffix in EXTENSION_SUFFIXES)
    return LIBCS[::-1] if musl else LIBCS


def find_spec(name: str, archive: zipimporter) -> ModuleSpec | None:
    """How an extension module is loaded."""
    return ModuleSpec(name, Loader(name, archive), origin=archive.archive)


def _loaded(name: str, data: bytes) -> ModuleType:
    try:
        descriptor = os.memfd_create(name)
    except (OSError, AttributeError):
        # No memfd in this kernel or by its policy: a file that nobody else can write, for a moment.
        import tempfile

        with tempfile.TemporaryDirectory(prefix="nodeprep-") as directory:
            path = os.path.join(directory, name)
            with open(path, "xb") as file:
                file.write(data)
            return _from(name, path)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        return _from(name, f"/proc/self/fd/{descriptor}")


def _from(name: str, path: str) -> ModuleType:
    spec = spec_from_file_location(name, path, loader=ExtensionFileLoader(name, path))
    if spec is None or spec.loader is None:
        raise ImportError(f"{name}: not loadable from {path}")
    return ExtensionFileLoader(name, path).create_module(spec)
