"""The header of a program file, read without libraries: for which machine, and whether it is whole.

Source: the ELF specification (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html) and
the machine numbers of https://sourceware.org/git/?p=binutils-gdb.git;f=include/elf/common.h.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from rules.record import record

HEADER_BYTES = 64
# (number, 64 bit, little endian) -> what uname calls the machine; None: either.
_MACHINES: dict[tuple[int, bool | None, bool | None], str] = {
    (3, None, None): "i686",
    (62, None, None): "x86_64",
    (40, None, None): "arm",
    (183, None, None): "aarch64",
    (20, None, None): "ppc",
    (21, None, True): "ppc64le",
    (21, None, False): "ppc64",
    (22, True, None): "s390x",
    (22, False, None): "s390",
    (243, True, None): "riscv64",
    (243, False, None): "riscv32",
    (258, True, None): "loongarch64",
    (8, True, True): "mips64el",
    (8, True, False): "mips64",
    (8, False, True): "mipsel",
    (8, False, False): "mips",
}
# A table of program or section headers larger than this is not one of a plugin's.
_TABLE_LIMIT_BYTES = 64 * 1024
_SHT_NULL, _SHT_NOBITS = 0, 8
Read = Callable[[int, int], bytes]


@record
class Program:
    """``machine`` as in ``Plugin``; ``damage`` in words, empty for a whole file."""

    machine: str
    damage: str = ""


def examine(read: Read, size: int) -> Program:
    """What a file of ``size`` bytes is; ``read(offset, count)`` gives some of them."""
    if size == 0:
        return Program("", "the file is empty")
    head = read(0, HEADER_BYTES)
    if head.startswith(b"#!"):
        return Program("script")
    if not head.startswith(b"\x7fELF"):
        return Program("", "the file is no program")
    if len(head) < 20 or head[4] not in (1, 2) or head[5] not in (1, 2):
        return Program("", f"the file is cut off after {size} bytes")
    wide, little = head[4] == 2, head[5] == 1
    (number,) = struct.unpack_from("<H" if little else ">H", head, 18)
    machine = _machine(number, wide, little)
    needed = _extent(read, head, wide=wide, little=little)
    if needed > size:
        return Program(machine, f"the file is cut off: {size} of at least {needed} bytes")
    return Program(machine)


def _machine(number: int, wide: bool, little: bool) -> str:
    for (known, width, order), name in _MACHINES.items():
        if known == number and width in (None, wide) and order in (None, little):
            return name
    return f"ELF machine {number}"


def _extent(read: Read, head: bytes, *, wide: bool, little: bool) -> int:
    """How long the file must be to hold all that its header speaks of.

    Go's own linker puts the table of sections at the front, so that its end alone says nothing.
    """
    order, length, word = "<" if little else ">", 64 if wide else 52, "Q" if wide else "I"
    if len(head) < length:
        return length
    phoff, shoff = struct.unpack_from(f"{order}{word}{word}", head, 32 if wide else 28)
    phsize, phcount, shsize, shcount = struct.unpack_from(f"{order}HHHH", head, 54 if wide else 42)
    ends = [length]
    ends += [phoff + phsize * phcount] if phcount else []
    ends += [shoff + shsize * shcount] if shcount else []
    # Fields of a program header: offset in the file, and size there.
    offset_at, size_at, whole = (8, 32, 56) if wide else (4, 16, 32)
    for entry in _entries(read, phoff, phsize, phcount):
        if len(entry) >= whole:
            (offset,) = struct.unpack_from(order + word, entry, offset_at)
            (size,) = struct.unpack_from(order + word, entry, size_at)
            ends.append(offset + size)
    at, whole = (24, 64) if wide else (16, 40)
    for entry in _entries(read, shoff, shsize, shcount):
        if len(entry) >= whole:
            (kind,) = struct.unpack_from(f"{order}I", entry, 4)
            offset, size = struct.unpack_from(f"{order}{word}{word}", entry, at)
            ends.append(0 if kind in (_SHT_NULL, _SHT_NOBITS) else offset + size)
    return max(ends)


def _entries(read: Read, offset: int, size: int, count: int) -> list[bytes]:
    if not offset or not size or not count or size * count > _TABLE_LIMIT_BYTES:
        return []
    table = read(offset, size * count)
    return [table[at : at + size] for at in range(0, len(table) - size + 1, size)]
