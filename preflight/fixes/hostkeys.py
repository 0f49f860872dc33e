"""New SSH host keys, made by ssh-keygen in a directory of their own and read back."""

from __future__ import annotations

import tempfile
from pathlib import Path

from preflight.fixes.steps import FixError
from rules.errors import CommandError
from rules.run import run

# The type in a public key -> the word of ssh-keygen -t. DSA is gone from OpenSSH 10.
_TYPES = {
    "ssh-rsa": "rsa",
    "ssh-ed25519": "ed25519",
    "ecdsa-sha2-nistp256": "ecdsa",
    "ecdsa-sha2-nistp384": "ecdsa",
    "ecdsa-sha2-nistp521": "ecdsa",
}
# An RSA key of 3072 bits takes a second or two, on a small machine more.
_TIMEOUT_S = 60.0


def new_pair(path: str, kind: str) -> dict[str, str]:
    """The texts of a new pair for ``path`` and ``path.pub``. Raises FixError."""
    word = _TYPES.get(kind)
    if word is None:
        raise FixError(f"{path}: nodeprep makes no keys of the type {kind}")
    with tempfile.TemporaryDirectory(prefix="nodeprep-") as directory:
        place = Path(directory) / "key"
        argv = ["ssh-keygen", "-q", "-t", word, "-N", "", "-C", "", "-f", str(place)]
        try:
            run(argv, timeout_s=_TIMEOUT_S)
            public = place.with_suffix(".pub").read_text(encoding="utf-8")
            return {path: place.read_text(encoding="utf-8"), f"{path}.pub": public}
        except (CommandError, OSError) as error:
            raise FixError(f"{path}: no new key could be made: {error}") from None
