"""The running kernel's configuration, from wherever a distribution keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.kernel import KernelConfig
from preflight.versions.kernel import OPTION_ALIASES

# The places that kubernetes/system-validators looks in (validators/kernel_validator.go); {release}
# is what uname says. The flag: the file is of this kernel only if its header says so.
_PLACES = (
    ("/proc/config.gz", False),
    ("/boot/config-{release}", False),
    ("/usr/src/linux-{release}/.config", False),
    ("/usr/src/linux/.config", True),
    ("/usr/lib/modules/{release}/config", False),
    ("/usr/lib/ostree-boot/config-{release}", False),
    ("/usr/lib/kernel/config-{release}", False),
    ("/usr/src/linux-headers-{release}/.config", False),
    ("/lib/modules/{release}/build/.config", False),
)
# Debian's is 260 KiB; nothing of this kind is near 4 MiB.
_LIMIT_BYTES = 4 * 1024 * 1024
_SET = re.compile(r"^CONFIG_(\w+)=([ym])$", re.MULTILINE)
_HEADER = re.compile(r"^# Linux/\S+ (\S+) Kernel Configuration", re.MULTILINE)


def parse_config(text: str, asked: Iterable[str]) -> dict[str, str]:
    """The options ``asked`` for: y, m, or n where the text does not set them.

    An option that had another name counts under the name of today.
    """
    found = dict(_SET.findall(text))
    return {
        name: next(
            (found[each] for each in (name, *OPTION_ALIASES.get(name, ())) if each in found), "n"
        )
        for name in asked
    }


def config_release(text: str) -> str:
    """The kernel release in the header, empty where there is none."""
    match = _HEADER.search(text[:2000])
    return match[1] if match else ""


def read_config(host: Host, release: str, asked: Iterable[str]) -> Known[KernelConfig]:
    """The first configuration of this kernel that can be read."""
    refused: Unknown | None = None
    for pattern, must_match in _PLACES:
        path = pattern.format(release=release)
        data = host.read_bytes(path, _LIMIT_BYTES)
        if isinstance(data, Unknown):
            if data.reason != "absent":
                refused = refused or data
            continue
        text = _text(data)
        if text is None or "CONFIG_" not in text:
            refused = refused or Unknown("failed", f"{path} is not a kernel configuration")
            continue
        if must_match and config_release(text) != release:
            continue
        return KernelConfig(path, parse_config(text, asked))
    return refused or Unknown(
        "absent", f"no configuration of kernel {release} in /proc/config.gz, /boot or /usr"
    )


def _text(data: bytes) -> str | None:
    """Plain or gzip bytes as text; None for a damaged archive."""
    if data[:2] != b"\x1f\x8b":
        return data.decode("utf-8", "replace")
    import zlib

    try:
        # 16 + the largest window: gzip framing. Bounded, so that no archive can fill memory.
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data, _LIMIT_BYTES).decode()
    except (zlib.error, UnicodeDecodeError):
        return None
