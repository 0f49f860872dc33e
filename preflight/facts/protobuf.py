"""The protobuf wire format, as far as a few gRPC calls need it.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Message = dict[int, list[int | bytes]]


class WireError(ValueError):
    """Bytes that are not a protobuf message."""


def put_varint(value: int) -> bytes:
    """A non-negative number in groups of seven bits, the lowest first."""
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def put_bool(field: int, value: bool) -> bytes:
    """A boolean field."""
    return put_varint(field << 3 | _VARINT) + put_varint(int(value))


def put_bytes(field: int, value: bytes) -> bytes:
    """A field of text, bytes or a message."""
    return put_varint(field << 3 | _BYTES) + put_varint(len(value)) + value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise WireError("a number does not end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def parse_message(data: bytes) -> Message:
    """Field number -> its values in order: numbers as int, everything with a length as bytes.
    Raises WireError where it is none."""
    message: Message = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(data, at)
        elif kind == _BYTES:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            value, at = data[at : at + size], at + size
        else:
            raise WireError(f"wire type {kind} is not in use")
        if at > len(data):
            raise WireError("a field is longer than its message")
        message.setdefault(key >> 3, []).append(value)
    return message


def number(message: Message, field: int) -> int:
    """The last value of a numeric field, 0 where it is left out (proto3's default). Raises
    WireError where the field is no number."""
    value = message.get(field, [0])[-1]
    if not isinstance(value, int):
        raise WireError(f"field {field} is not a number")
    return value


def blobs(message: Message, field: int) -> list[bytes]:
    """All values of a field that has a length. Raises WireError where it is a number."""
    values = [value for value in message.get(field, []) if isinstance(value, bytes)]
    if len(values) != len(message.get(field, [])):
        raise WireError(f"field {field} is a number")
    return values


def text(message: Message, field: int) -> str:
    """The last value of a text field, empty where it is left out."""
    values = blobs(message, field)
    return values[-1].decode("utf-8", "replace") if values else ""
