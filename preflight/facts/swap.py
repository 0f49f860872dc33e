"""Swap: what is in use now, and what turns it on at the next boot."""

from __future__ import annotations

from collections.abc import Iterable

from preflight.facts.bootfiles import dropins
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.kernel import Setting, SwapArea

_GENERATED = (
    "/run/systemd/generator",
    "/run/systemd/generator.early",
    "/run/systemd/generator.late",
)
_UNIT_DIRECTORY = "/etc/systemd/system"
# Links in these directories are what "enabled" means for a swap unit.
_WANTED_BY = (
    "swap.target.wants",
    "swap.target.requires",
    "multi-user.target.wants",
)
_ZRAM_FILES = (
    "/etc/systemd/zram-generator.conf",
    "/run/systemd/zram-generator.conf",
    "/usr/local/lib/systemd/zram-generator.conf",
    "/usr/lib/systemd/zram-generator.conf",
)
_ZRAM_DROPINS = (
    "/etc/systemd/zram-generator.conf.d",
    "/run/systemd/zram-generator.conf.d",
    "/usr/local/lib/systemd/zram-generator.conf.d",
    "/usr/lib/systemd/zram-generator.conf.d",
)
# Services that make swap: Debian's zram-tools, Ubuntu's zram-config, Raspberry Pi OS, openSUSE.
_SERVICES = (
    "zramswap.service",
    "zram-config.service",
    "dphys-swapfile.service",
    "zramswapd.service",
)


def unescape(text: str) -> str:
    r"""``\040`` and the like of /proc/swaps and fstab -> the character."""
    parts = text.split("\\")
    return parts[0] + "".join(
        chr(int(part[:3], 8)) + part[3:]
        if len(part) >= 3 and all(digit in "01234567" for digit in part[:3])
        else f"\\{part}"
        for part in parts[1:]
    )


def parse_swaps(text: str) -> tuple[SwapArea, ...]:
    """/proc/swaps -> areas; sizes there are in KiB."""
    rows = (line.split() for line in text.splitlines()[1:])
    return tuple(
        SwapArea(unescape(row[0]), row[1], int(row[2]) * 1024)
        for row in rows
        if len(row) >= 3 and row[2].isdigit()
    )


def parse_fstab(path: str, text: str) -> tuple[Setting, ...]:
    """The lines of fstab that turn swap on at boot: not those that say ``noauto``."""
    settings = []
    for line in text.split("\n"):
        row = line.split()
        if len(row) < 3 or row[0].startswith("#") or row[2] != "swap":
            continue
        options = row[3].split(",") if len(row) > 3 else []
        if "noauto" not in options:
            settings.append(Setting(path, unescape(row[0]), "swap"))
    return tuple(settings)


def parse_swap_unit(path: str, text: str) -> Setting | None:
    """A ``.swap`` unit; None for one that systemd made of fstab, which is read itself."""
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if pairs.get("SourcePath") == "/etc/fstab" or "What" not in pairs:
        return None
    return Setting(path, pairs["What"].strip(), "swap unit")


def zram_section(line: str) -> str | None:
    """``[zram0]`` -> ``zram0``; empty for another section, None for a line that is no header."""
    line = line.strip()
    if not (line.startswith("[") and line.endswith("]")):
        return None
    return line[1:-1] if line.startswith("[zram") else ""


def parse_zram(files: Iterable[tuple[str, str]]) -> tuple[Setting, ...]:
    """(path, text) of zram-generator.conf and its drop-ins -> the devices that become swap.

    A section for each device, the last word on each of its settings counts. It is no swap with a
    ``mount-point`` or another ``fs-type``. The setting names the first file that has the device.
    Source: zram-generator.conf(5).
    """
    devices: dict[str, dict[str, str]] = {}
    first: dict[str, str] = {}
    for path, text in files:
        section: dict[str, str] = {}
        for line in text.splitlines():
            line = line.strip()
            if (name := zram_section(line)) is not None:
                section = devices.setdefault(name, {}) if name else {}
                first.setdefault(name, path)
            elif "=" in line and not line.startswith(("#", ";")):
                key, _, value = line.partition("=")
                section[key.strip()] = value.strip()
    return tuple(
        Setting(first[name], f"/dev/{name}", "zram")
        for name, settings in devices.items()
        if not settings.get("mount-point")
        and settings.get("fs-type", "swap") == "swap"
        and settings.get("zram-size") != "0"
    )


def read_boot_swap(host: Host, applier: str) -> Known[tuple[Setting, ...]]:
    """Everything that turns swap on at boot. Raises nothing; unreadable fstab is Unknown."""
    fstab = host.read_optional("/etc/fstab")
    if isinstance(fstab, Unknown):
        return fstab
    found = list(parse_fstab("/etc/fstab", fstab or ""))
    if applier != "systemd":
        return tuple(found)
    found += _units(host)
    found += _zram(host)
    if _masked(host, "swap.target"):
        found = []
    found = [setting for setting in found if not _masked(host, unit_name(setting.key))]
    return (*found, *_services(host))


def _units(host: Host) -> list[Setting]:
    """Swap units that are enabled, and those that generators made (GPT partitions, zram)."""
    places = [*_GENERATED, *(f"{_UNIT_DIRECTORY}/{name}" for name in _WANTED_BY)]
    found: dict[str, Setting] = {}
    for place in places:
        names = host.listdir(place)
        for name in () if isinstance(names, Unknown) else names:
            text = host.read(f"{place}/{name}") if name.endswith(".swap") else ""
            unit = None if isinstance(text, Unknown) else parse_swap_unit(f"{place}/{name}", text)
            # zram-generator's own configuration is read instead: it names what to remove.
            if unit is not None and not unit.key.startswith("/dev/zram"):
                found.setdefault(unit.key, unit)
    return list(found.values())


def _zram(host: Host) -> tuple[Setting, ...]:
    # Without the generator's program the file does nothing.
    program = "system-generators/zram-generator"
    if not any(host.exists(f"{lib}/systemd/{program}") for lib in ("/usr/lib", "/lib")):
        return ()
    main = [path for path in _ZRAM_FILES if host.exists(path)][:1]
    texts = ((path, host.read(path)) for path in (*main, *dropins(host, _ZRAM_DROPINS)))
    return parse_zram((path, text) for path, text in texts if not isinstance(text, Unknown))


def _services(host: Host) -> tuple[Setting, ...]:
    wanted = f"{_UNIT_DIRECTORY}/multi-user.target.wants"
    return tuple(
        Setting(f"{wanted}/{name}", name, "service")
        for name in _SERVICES
        if host.exists(f"{wanted}/{name}") and not _masked(host, name)
    )


def unit_name(device: str) -> str:
    """``/dev/sda2`` -> ``dev-sda2.swap``, as systemd-escape(1) does it."""
    trimmed = device.strip("/")
    escaped = "".join(
        letter
        if letter.isascii() and (letter.isalnum() or letter in ":_.")
        else "-"
        if letter == "/"
        else "".join(f"\\x{byte:02x}" for byte in letter.encode())
        for letter in trimmed
    )
    return f"{escaped}.swap"


def _masked(host: Host, unit: str) -> bool:
    """Whether the administrator's unit is a link to /dev/null or empty, which masks it."""
    return host.read(f"{_UNIT_DIRECTORY}/{unit}") == ""
