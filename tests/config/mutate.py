"""Damage to a text file as people, editors, disks and attackers do it: seeded, so repeatable."""

from __future__ import annotations

import random
import re

WORDS = (
    b"", b"~", b"[]", b"{}", b"[[[[]]]]", b"-1", b"0", b"65536", b"9" * 25, b"9" * 5000, b"1e999",
    b"NaN", b".inf", b"true", b"'", b'"', b"&a [*a]", b"*nowhere", b"!!python/object:os.system x",
    b"\x00", b"\x1b[31m", b"\xff\xfe", b"\xed\xa0\x80", b"x" * 100_000, b"10.0.0.1/8", b"::/0",
    b"fe80::1%eth0", b"{{ 7 * 7 }}", b"$(reboot)", b"../../etc/shadow", b"caf\xc3\xa9", b"1.38",
    b"null", b"@", b"- - -", b"? ?", b"[", b"}", b"\\ud800", b"kubeadm.k8s.io/v1",
)  # fmt: skip
LAUGHS = b"zz0: &zz0 [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"zz%d: &zz%d [%s]\n" % (level, level, b", ".join([b"*zz%d" % (level - 1)] * 10))
    for level in range(1, 10)
)


def _truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _drop_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def _repeat_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    lines.insert(chance.randrange(len(lines)), chance.choice(lines))
    return b"".join(lines)


def _move_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    lines.insert(chance.randrange(len(lines)), lines.pop(chance.randrange(len(lines))))
    return b"".join(lines)


def _indent_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    index = chance.randrange(len(lines))
    lines[index] = chance.choice([b" ", b"\t", b"   ", b"\t\t"]) + lines[index].lstrip()
    return b"".join(lines)


def _replace_word(data: bytes, chance: random.Random) -> bytes:
    words = list(re.finditer(rb"[\w./:-]+", data))
    if not words:
        return chance.choice(WORDS)
    word = chance.choice(words)
    return data[: word.start()] + chance.choice(WORDS) + data[word.end() :]


def _misspell_word(data: bytes, chance: random.Random) -> bytes:
    words = list(re.finditer(rb"[A-Za-z]{3,}", data))
    if not words:
        return b"zz" + data
    word = chance.choice(words)
    letters = bytearray(word.group())
    letters[chance.randrange(len(letters))] = chance.randrange(97, 123)
    return data[: word.start()] + bytes(letters) + data[word.end() :]


def _flip_bytes(data: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.randrange(1, 8)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def _insert_noise(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + chance.randbytes(chance.randrange(1, 2000)) + data[at:]


def _encode(data: bytes, chance: random.Random) -> bytes:
    coding = chance.choice(["utf-16", "utf-32", "utf-8-sig", "cp037"])
    return data.decode("utf-8", "replace").encode(coding, "replace")


def _nest(data: bytes, chance: random.Random) -> bytes:
    bomb = chance.choice([b"[", b"{a: ", b"- ", b'{"a":', b"? "]) * chance.choice([40, 5000])
    return chance.choice([bomb, data + b"\nzz: " + bomb, bomb + data])


def _laugh(data: bytes, chance: random.Random) -> bytes:
    return chance.choice([LAUGHS + data, data + b"\n" + LAUGHS, LAUGHS])


def _double(data: bytes, chance: random.Random) -> bytes:
    return chance.choice([data + data, data + b"\n---\n" + data, data.replace(b"\n", b"\r\n")])


def _swell(data: bytes, chance: random.Random) -> bytes:
    more = chance.choice([b"# " + b"x" * 9_000_000, b"- a\n" * 200_000, b" " * 1_000_000])
    return chance.choice([data + b"\n" + more, more + b"\n" + data])


MUTATIONS = (
    _truncate, _drop_line, _repeat_line, _move_line, _indent_line, _replace_word, _replace_word,
    _misspell_word, _flip_bytes, _insert_noise, _encode, _nest, _laugh, _double, _swell,
)  # fmt: skip


def mutate(data: bytes, seed: int) -> bytes:
    """One to three damages to ``data``; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  (repeatable, not secret)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        data = chance.choice(MUTATIONS)(data or b"a: 1\n", chance)
    return data
