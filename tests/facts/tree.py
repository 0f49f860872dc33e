"""A host whose files are a mapping, so that readers can be tested with captured trees."""

from __future__ import annotations

from collections.abc import Mapping

from preflight.facts.host import READ_LIMIT_BYTES, Host
from preflight.facts.model import Known, Unknown


class Tree(Host):
    """``files``: path -> text, bytes, or Unknown for one that cannot be read."""

    def __init__(self, files: Mapping[str, str | bytes | Unknown]) -> None:
        super().__init__(offline=True)
        self.files = dict(files)

    def read_bytes(self, path: str, limit_bytes: int = READ_LIMIT_BYTES) -> Known[bytes]:
        content = self.files.get(path, Unknown("absent", f"{path} is not there"))
        if isinstance(content, str):
            content = content.encode()
        return content if isinstance(content, Unknown) else content[:limit_bytes]

    def listdir(self, path: str) -> Known[tuple[str, ...]]:
        below = {
            name[len(path) + 1 :].split("/")[0]
            for name in self.files
            if name.startswith(f"{path}/")
        }
        return tuple(sorted(below)) if below else Unknown("absent", f"{path} is not there")

    def exists(self, path: str) -> bool:
        return path in self.files or any(name.startswith(f"{path}/") for name in self.files)


def denied(path: str) -> Unknown:
    """A file that this user may not read."""
    return Unknown("denied", f"{path} may not be read: Permission denied")
