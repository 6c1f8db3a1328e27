"""The part of the protobuf wire format that dag-pb and UnixFS use.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import varint
from ipfs_accelerate.errors import ContentFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BYTES", "FIXED32", "VARINT", "bytes_field", "fields", "uvarint", "varint_field"]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}


def uvarint(data: memoryview, at: int) -> tuple[int, int]:
    """Read a protobuf varint; returns the value and the offset behind it.

    Unlike those of a CID it may be 10 bytes long and need not be in its shortest form: Kubo reads
    such blocks too.
    """
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    value = shift = 0
    for position in range(at, min(at + 10, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, position + 1
        shift += 7
    raise ContentFormatError(f"a protobuf varint at byte {at} is cut short or too long")


def fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Number, wire type and value of every field, in the order they come.

    Raises:
        ContentFormatError: A field is cut short or of a wire type that does not exist.
    """
    at = 0
    while at < len(data):
        tag, at = uvarint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = uvarint(data, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            size, at = uvarint(data, at)
        elif wire in _FIXED_BYTES:
            size = _FIXED_BYTES[wire]
        else:
            raise ContentFormatError(f"protobuf wire type {wire} is not supported")
        if size > len(data) - at:
            raise ContentFormatError(f"a protobuf field of {size} bytes is cut short at byte {at}")
        yield number, wire, data[at : at + size]
        at += size


def varint_field(number: int, value: int) -> bytes:
    """A field of wire type varint; negative values as 64-bit two's complement."""
    return varint(number << 3 | VARINT) + varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def bytes_field(number: int, value: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | BYTES) + varint(len(value)) + value
