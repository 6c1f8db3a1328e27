"""The index of a version 2 CAR: digests, sorted, with the place of their section in the data.

Source: ipld.io/specs/transport/car/carv2 (index formats 0x0400 and 0x0401).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.content.cid import read_varint, varint
from ipfs_accelerate.errors import ContentFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CarIndex", "IndexKind", "decode_index", "encode_index"]

_COUNT = struct.Struct("<I")
_CODE = struct.Struct("<Q")
_BUCKET = struct.Struct("<IQ")
_OFFSET_BYTES = 8


class IndexKind(IntEnum):
    """Index formats (multicodec table)."""

    SORTED = 0x0400
    MULTIHASH_SORTED = 0x0401


class _Bucket(NamedTuple):
    """Entries of one length: digest, then offset."""

    entry_bytes: int
    entries: memoryview


class CarIndex:
    """Looks up where a block's section begins; entries are searched where they lie."""

    def __init__(self, buckets: dict[tuple[int | None, int], _Bucket]) -> None:
        self._buckets = buckets

    def offset_of(self, hash_code: int, digest: bytes) -> int | None:
        """Where the section is said to begin, from the start of the data."""
        width = len(digest)
        bucket = self._buckets.get((hash_code, width)) or self._buckets.get((None, width))
        if bucket is None:
            return None
        size, entries = bucket
        low, high = 0, len(entries) // size
        while low < high:
            middle = (low + high) // 2
            if bytes(entries[middle * size : middle * size + width]) < digest:
                low = middle + 1
            else:
                high = middle
        found = bytes(entries[low * size : (low + 1) * size])
        return int.from_bytes(found[width:], "little") if found[:width] == digest else None


def encode_index(places: Iterable[tuple[int, bytes, int]], kind: IndexKind) -> bytes:
    """Build an index from hash code, digest and offset of every block."""
    by_code: dict[int, dict[int, list[bytes]]] = {}
    for code, digest, offset in places:
        group = code if kind == IndexKind.MULTIHASH_SORTED else 0
        entry = digest + offset.to_bytes(_OFFSET_BYTES, "little")
        by_code.setdefault(group, {}).setdefault(len(entry), []).append(entry)
    if kind == IndexKind.SORTED:
        return varint(kind) + _encode_widths(by_code.get(0, {}))
    parts = [varint(kind), _COUNT.pack(len(by_code))]
    for code, widths in sorted(by_code.items()):
        parts += (_CODE.pack(code), _encode_widths(widths))
    return b"".join(parts)


def decode_index(data: memoryview) -> CarIndex:
    """Read an index that fills ``data``.

    Raises:
        ContentFormatError: It is of another kind, or a length in it lies.
    """
    kind, at = read_varint(data, 0)
    buckets: dict[tuple[int | None, int], _Bucket] = {}
    if kind == IndexKind.SORTED:
        at = _decode_widths(data, at, None, buckets)
    elif kind == IndexKind.MULTIHASH_SORTED:
        (count,), at = _unpack(_COUNT, data, at)
        for _ in range(count):
            (code,), at = _unpack(_CODE, data, at)
            at = _decode_widths(data, at, code, buckets)
    else:
        raise ContentFormatError(f"CAR index format 0x{kind:x} is not supported")
    if at != len(data):
        raise ContentFormatError(f"{len(data) - at} bytes follow the index of a CAR")
    return CarIndex(buckets)


def _encode_widths(widths: dict[int, list[bytes]]) -> bytes:
    parts = [_COUNT.pack(len(widths))]
    for width, entries in sorted(widths.items()):
        parts.append(_BUCKET.pack(width, width * len(entries)))
        parts.extend(sorted(entries))
    return b"".join(parts)


def _decode_widths(
    data: memoryview, at: int, code: int | None, buckets: dict[tuple[int | None, int], _Bucket]
) -> int:
    (count,), at = _unpack(_COUNT, data, at)
    for _ in range(count):
        (width, size), at = _unpack(_BUCKET, data, at)
        if width <= _OFFSET_BYTES or size % width or size > len(data) - at:
            raise ContentFormatError(f"a CAR index claims {size} bytes of entries of {width}")
        key = (code, width - _OFFSET_BYTES)
        if key in buckets:
            raise ContentFormatError(f"a CAR index lists digests of {key[1]} bytes twice")
        buckets[key] = _Bucket(width, data[at : at + size])
        at += size
    return at


def _unpack(shape: struct.Struct, data: memoryview, at: int) -> tuple[tuple[int, ...], int]:
    if shape.size > len(data) - at:
        raise ContentFormatError("the index of a CAR is cut short")
    return shape.unpack_from(data, at), at + shape.size
