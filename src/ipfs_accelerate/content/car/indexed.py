"""Random access to the blocks of a version 2 CAR on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.content.car.index import CarIndex, decode_index
from ipfs_accelerate.content.car.reader import V2_HEADER_BYTES, parse_v2_header, read_car
from ipfs_accelerate.content.cid import Cid, read_varint
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import (
    BlockMismatchError,
    ContentFormatError,
    ContentLimitError,
    ContentNotFoundError,
)

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["IndexedCar"]

_MAX_INDEX_BYTES = 2**30
_PRAGMA_BYTES = 11
_HEAD_BYTES = 9 + 256


class IndexedCar:
    """A `BlockReader` over a CAR with an index; each block is verified when it is read.

    Args:
        path: A version 2 CAR.

    Attributes:
        roots: As its header names them.

    Raises:
        ContentFormatError: It is no version 2 CAR, has no index, or a length lies.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        with Path(path).open("rb") as file:
            reader = read_car(file)
            if reader.version != 2:
                raise ContentFormatError(f"{path} is a CAR of version 1, which has no index")
            self.roots = reader.roots
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by close
        try:
            self._start, self._end, self._index = self._load()
        except BaseException:
            self._file.close()
            raise

    def get(self, cid: Cid) -> bytes:
        """See `BlockReader.get`.

        Raises:
            ContentNotFoundError: The index does not list it.
            ContentFormatError: The index points at something else.
            BlockMismatchError: The bytes are damaged.
        """
        offset = self._index.offset_of(cid.hash_code, cid.digest)
        if offset is None:
            raise ContentNotFoundError(f"block {cid} is not in this CAR")
        if offset >= self._end - self._start:
            raise ContentFormatError(f"a CAR index points at {offset}, past the data, for {cid}")
        head = self._pread(_HEAD_BYTES, self._start + offset)
        size, at = read_varint(head, 0)
        if size > MAX_BLOCK_BYTES + 256:
            raise ContentLimitError(f"a CAR section claims {size} bytes for {cid}")
        section = self._pread(size, self._start + offset + at)
        found, begin = Cid.read(section, 0)
        if len(section) != size or found.multihash != cid.multihash:
            raise BlockMismatchError(f"the index of a CAR points at {found} for {cid}")
        data = section[begin:]
        cid.verify(data)
        return data

    def has(self, cid: Cid) -> bool:
        """Whether the index lists it."""
        return self._index.offset_of(cid.hash_code, cid.digest) is not None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _load(self) -> tuple[int, int, CarIndex]:
        total = os.fstat(self._file.fileno()).st_size
        header = os.pread(self._file.fileno(), V2_HEADER_BYTES, _PRAGMA_BYTES)
        start, size, index = parse_v2_header(header)
        if not start + size <= index < total:
            raise ContentFormatError(
                f"the index of a CAR is said to begin at {index} of {total} bytes",
                hint="0 means that it has none",
            )
        if total - index > _MAX_INDEX_BYTES:
            raise ContentLimitError(f"the index of a CAR has {total - index} bytes")
        data = os.pread(self._file.fileno(), total - index, index)
        return start, start + size, decode_index(memoryview(data))

    def _pread(self, size: int, offset: int) -> bytes:
        return os.pread(self._file.fileno(), min(size, self._end - offset), offset)
