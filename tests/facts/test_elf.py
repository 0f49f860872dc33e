from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from preflight.facts.elf import Program, examine

SECTIONS_AT_FRONT, SECTIONS_AT_END = 120, 4000


def elf(
    number: int = 62,
    *,
    wide: bool = True,
    little: bool = True,
    sections_at: int = SECTIONS_AT_END,
    size: int = 4192,
) -> bytes:
    """A program with one segment and two sections; ``size`` bytes of it are all that it needs."""
    order = "<" if little else ">"
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if little else 2, 1]) + bytes(9)
    if wide:
        head = struct.pack(
            f"{order}HHIQQQIHHHHHH", 2, number, 1, 0x400000, 64, sections_at, 0, 64, 56, 1, 64, 3, 0
        )
        segment = struct.pack(f"{order}IIQQQQQQ", 1, 5, 0, 0, 0, 1000, 1000, 0)
        empty = bytes(64)
        text = struct.pack(f"{order}IIQQQQIIQQ", 1, 1, 0, 0, 1000, size - 1000, 0, 0, 1, 0)
        # .bss takes no room in the file, whatever its size says.
        bss = struct.pack(f"{order}IIQQQQIIQQ", 1, 8, 0, 0, 1000, 2**40, 0, 0, 1, 0)
    else:
        head = struct.pack(
            f"{order}HHIIIIIHHHHHH", 2, number, 1, 0x8000, 52, sections_at, 0, 52, 32, 1, 40, 3, 0
        )
        segment = struct.pack(f"{order}IIIIIIII", 1, 0, 0, 0, 1000, 1000, 5, 0)
        empty = bytes(40)
        text = struct.pack(f"{order}IIIIIIIIII", 1, 1, 0, 0, 1000, size - 1000, 0, 0, 1, 0)
        bss = struct.pack(f"{order}IIIIIIIIII", 1, 8, 0, 0, 1000, 2**30, 0, 0, 1, 0)
    data = bytearray((ident + head + segment).ljust(size, b"\0"))
    table = empty + text + bss
    data[sections_at : sections_at + len(table)] = table
    return bytes(data[:size])


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, count: data[offset : offset + count]


def look(data: bytes) -> Program:
    return examine(reader(data), len(data))


@pytest.mark.parametrize(
    ("number", "wide", "little", "machine"),
    [
        (62, True, True, "x86_64"),
        (3, False, True, "i686"),
        (183, True, True, "aarch64"),
        (40, False, True, "arm"),
        (21, True, True, "ppc64le"),
        (21, True, False, "ppc64"),
        (22, True, False, "s390x"),
        (243, True, True, "riscv64"),
        (258, True, True, "loongarch64"),
        (8, True, True, "mips64el"),
        (9999, True, True, "ELF machine 9999"),
    ],
)
def test_machines_in_the_words_of_uname(
    number: int, wide: bool, little: bool, machine: str
) -> None:
    assert look(elf(number, wide=wide, little=little)) == Program(machine)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("sections_at", [SECTIONS_AT_FRONT, SECTIONS_AT_END])
@pytest.mark.parametrize("kept", [4191, 2000, 65, 53, 40, 20])
def test_a_file_that_is_cut_off(wide: bool, sections_at: int, kept: int) -> None:
    found = look(elf(wide=wide, sections_at=sections_at)[:kept])
    assert found.machine == "x86_64"
    assert f"cut off: {kept} of at least" in found.damage


@pytest.mark.parametrize(
    ("data", "machine", "damage"),
    [
        (b"", "", "the file is empty"),
        (b"#!/bin/sh\n", "script", ""),
        (b"<html>404", "", "the file is no program"),
        (b"\x1f\x8b\x08", "", "the file is no program"),
        (b"\x7fELF", "", "the file is cut off after 4 bytes"),
        (b"\x7fELF" + b"\xff" * 60, "", "the file is cut off after 64 bytes"),
    ],
)
def test_other_files(data: bytes, machine: str, damage: str) -> None:
    assert look(data) == Program(machine, damage)


def test_a_header_that_lies_about_its_tables_raises_nothing() -> None:
    data = bytearray(elf())
    data[32:48] = b"\xff" * 16
    data[54:62] = b"\xff" * 8
    assert look(bytes(data)).damage


def test_a_real_program_is_whole() -> None:
    data = Path("/bin/sh").read_bytes()
    assert look(data).damage == ""
    assert look(data[:-1]).damage
