"""Read a CAR as a stream.

Source: ipld.io/specs/transport/car/carv1 and carv2.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from ipfs_accelerate.content.car._source import BoundedSource
from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["V2_HEADER", "V2_HEADER_BYTES", "CarReader", "parse_v2_header", "read_car"]

#: Characteristics, then offset and size of the data and offset of the index.
V2_HEADER = struct.Struct("<16sQQQ")
V2_HEADER_BYTES = 40
_PRAGMA_BYTES = 11
_MAX_HEADER_BYTES = 2**16
_MAX_PADDING_BYTES = 2**24
#: A block and the CID before it.
_MAX_SECTION_BYTES = MAX_BLOCK_BYTES + 256


class CarReader:
    """Roots and blocks of one CAR; iterate it once.

    Attributes:
        version: 1 or 2.
        roots: As the header names them; nothing says that their blocks are there.
    """

    def __init__(self, stream: BinaryIO, *, is_verifying: bool) -> None:
        self._source = BoundedSource(stream)
        self._is_verifying = is_verifying
        header = self._header()
        self.version = 1
        if header == {"version": 2}:
            self.version = 2
            self._enter_v2()
            header = self._header()
        self.roots = _roots_of(header)

    def __iter__(self) -> Iterator[tuple[Cid, bytes]]:
        """Every block in the order of the file, repetitions included.

        Raises:
            BlockMismatchError: A block does not hash to its CID.
            ContentFormatError: A length lies, or the file is cut short.
            ContentLimitError: A block is larger than any may be.
        """
        while (size := self._source.varint()) is not None:
            if size > _MAX_SECTION_BYTES:
                raise ContentLimitError(
                    f"a CAR section claims {size} bytes; a block has at most {MAX_BLOCK_BYTES}"
                )
            section = self._source.take(size)
            cid, end = Cid.read(section, 0)
            data = section[end:]
            if self._is_verifying:
                cid.verify(data)
            yield cid, data

    def _header(self) -> object:
        size = self._source.varint()
        if not size or size > _MAX_HEADER_BYTES:
            raise ContentFormatError(
                f"not a CAR: its header claims {size or 0} bytes",
                hint=f"a header has 1 to {_MAX_HEADER_BYTES} bytes",
            )
        return cbor.decode(self._source.take(size))

    def _enter_v2(self) -> None:
        start, size, index = parse_v2_header(self._source.take(V2_HEADER_BYTES))
        if index and index < start + size:
            raise ContentFormatError(f"the index of a CAR begins at {index}, inside its data")
        self._source.skip(start - self._source.position)
        self._source.limit = start + size


def read_car(stream: BinaryIO, *, verify: bool = True) -> CarReader:
    """Open a CAR that comes as a stream; the index of version 2 is not needed and not believed.

    Args:
        stream: Open for reading in binary; need not be seekable.
        verify: Hash every block. Without it the caller must.

    Raises:
        ContentFormatError: It is no CAR.
    """
    return CarReader(stream, is_verifying=verify)


def parse_v2_header(header: bytes) -> tuple[int, int, int]:
    """Offset and size of the data, and offset of the index (0 without one).

    Raises:
        ContentFormatError: They cannot be.
    """
    _, start, size, index = V2_HEADER.unpack(header)
    least = _PRAGMA_BYTES + V2_HEADER_BYTES
    if not least <= start <= least + _MAX_PADDING_BYTES or not 0 < size < 2**63:
        raise ContentFormatError(f"the data of a CAR is said to be {size} bytes from {start}")
    return start, size, index


def _roots_of(header: object) -> tuple[Cid, ...]:
    if not isinstance(header, dict) or set(header) != {"roots", "version"}:
        raise ContentFormatError("not a CAR: its header has other fields than roots and version")
    roots = header["roots"]
    if header["version"] != 1 or not isinstance(roots, list):
        raise ContentFormatError(f"CAR version {header['version']!r} is not supported here")
    if not all(isinstance(root, Cid) for root in roots):
        raise ContentFormatError("a root of a CAR is not a CID")
    return tuple(roots)
