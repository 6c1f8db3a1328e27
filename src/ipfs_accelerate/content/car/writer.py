"""Write a CAR.

Source: ipld.io/specs/transport/car/carv1 and carv2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from ipfs_accelerate.content.car.index import IndexKind, encode_index
from ipfs_accelerate.content.car.reader import V2_HEADER, V2_HEADER_BYTES
from ipfs_accelerate.content.cid import Cid, Hash, varint
from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["car_header", "car_section", "write_car"]

#: The header ``{version: 2}`` of a version 1 reader.
_PRAGMA = b"\x0a\xa1gversion\x02"


def car_header(roots: Sequence[Cid]) -> bytes:
    """What a version 1 CAR begins with."""
    header = cbor.encode({"roots": list(roots), "version": 1})
    return varint(len(header)) + header


def car_section(cid: Cid, data: bytes | memoryview) -> tuple[bytes, bytes | memoryview]:
    """One block as it stands in a CAR: what comes before its bytes, and its bytes uncopied."""
    return varint(len(cid.raw) + len(data)) + cid.raw, data


def write_car(
    stream: BinaryIO,
    roots: Sequence[Cid],
    blocks: Iterable[tuple[Cid, bytes]],
    *,
    version: int = 1,
    index: IndexKind = IndexKind.MULTIHASH_SORTED,
) -> int:
    """Write roots and blocks, in the order given.

    Args:
        stream: Open for writing in binary; seekable for version 2, whose header holds the size.
        roots: At least one.
        blocks: Trusted to be what their names say.
        version: 1, or 2 with an index behind the data.
        index: Kind of that index.

    Returns:
        Bytes written.

    Raises:
        InputError: No root, another version, or a stream that cannot be rewound for version 2.
    """
    if not roots or version not in {1, 2}:
        raise InputError(f"a CAR of version {version} with {len(roots)} roots cannot be written")
    if version == 1:
        return _write_data(stream, roots, blocks, None)
    if not stream.seekable():
        raise InputError("version 2 of CAR needs a seekable stream", hint="write version 1")
    begin = stream.tell()
    start = len(_PRAGMA) + V2_HEADER_BYTES
    stream.write(_PRAGMA + bytes(V2_HEADER_BYTES))
    places: list[tuple[int, bytes, int]] = []
    size = _write_data(stream, roots, blocks, places)
    encoded = encode_index(places, index)
    stream.write(encoded)
    end = stream.tell()
    stream.seek(begin + len(_PRAGMA))
    stream.write(V2_HEADER.pack(bytes(16), start, size, start + size))
    stream.seek(end)
    return end - begin


def _write_data(
    stream: BinaryIO,
    roots: Sequence[Cid],
    blocks: Iterable[tuple[Cid, bytes]],
    places: list[tuple[int, bytes, int]] | None,
) -> int:
    header = car_header(roots)
    stream.write(header)
    written = len(header)
    for cid, data in blocks:
        if places is not None and cid.hash_code != Hash.IDENTITY:
            places.append((cid.hash_code, cid.digest, written))
        before, payload = car_section(cid, data)
        stream.write(before)
        stream.write(payload)
        written += len(before) + len(payload)
    return written
