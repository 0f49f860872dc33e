"""Imports out of the archive: code from the cache where it is there, else compiled from source."""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any
from zipimport import zipimporter

from onefile import native


class Importer:
    """A finder and loader of the modules in one archive.

    ``known``: module -> (whether it is a package, its marshalled code). ``fresh``: the same of
    what this run had to compile.
    """

    def __init__(self, archive: str, known: Mapping[str, tuple[bool, memoryview]]) -> None:
        self.archive = archive
        self.known = known
        self.fresh: dict[str, tuple[bool, CodeType]] = {}
        self._importers: dict[str, zipimporter] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """The module of that name, None where the archive has none."""
        place = self.archive if path is None else next(iter(path), "")
        if place != self.archive and not place.startswith(f"{self.archive}/"):
            return None
        if name in native.EXTENSIONS:
            return native.find_spec(name, self._at(self.archive))
        stem = f"{place}/{name.rpartition('.')[2]}"
        if name in self.known:
            package = self.known[name][0]
            source = f"{stem}/__init__.py" if package else f"{stem}.py"
        else:
            found = self._at(place).find_spec(name)
            if found is None or found.origin is None:
                return None
            package = found.submodule_search_locations is not None
            source = found.origin
        spec = ModuleSpec(name, self, origin=source, is_package=package)  # type: ignore[arg-type]
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [stem]
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """None: the usual kind of module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Runs a module's code."""
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102

    def get_code(self, name: str) -> CodeType:
        """A module's code, out of the cache or compiled now."""
        if name in self.known:
            code: CodeType = marshal.loads(self.known[name][1])  # noqa: S302  (own file, see codecache)
            return code
        importer = self._of(name)
        code = importer.get_code(name)
        self.fresh[name] = (importer.is_package(name), code)
        return code

    def is_package(self, name: str) -> bool:
        """Whether a module of the archive is a package."""
        return self._of(name).is_package(name)

    def get_source(self, name: str) -> str | None:
        """A module's source, for tracebacks."""
        return self._of(name).get_source(name)

    def get_data(self, path: str) -> bytes:
        """What the archive holds at this path. Raises OSError."""
        return self._at(self.archive).get_data(path)

    def get_resource_reader(self, name: str) -> Any:
        """A package's reader of data files, as importlib.resources wants it."""
        return self._of(name).get_resource_reader(name)

    def _of(self, name: str) -> zipimporter:
        parent = name.rpartition(".")[0]
        return self._at("/".join(filter(None, (self.archive, parent.replace(".", "/")))))

    def _at(self, place: str) -> zipimporter:
        if place not in self._importers:
            self._importers[place] = zipimporter(place)
        return self._importers[place]
