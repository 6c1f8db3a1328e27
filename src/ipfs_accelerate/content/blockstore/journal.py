"""A second copy of the small blocks, outside SQLite, from which a lost index is rebuilt.

Sections as in CAR v1: varint of the length of what follows, CID, block. It is only ever written
inside a write transaction of the index, which knows where its last whole section ends.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.content.blockstore.files import pwrite_all
from ipfs_accelerate.content.cid import Cid, read_varint, varint
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import ContentFormatError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Journal"]

_HEAD_BYTES = 9
_LONGEST_BYTES = MAX_BLOCK_BYTES + 256


class Journal:
    """The file of sections."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, blocks: Iterable[tuple[Cid, bytes]], end: int) -> int:
        """Add blocks behind the first ``end`` bytes; what lies there is cut off.

        Call inside a write transaction of the index, which keeps others out and remembers the
        returned end: a section that a killed process left half-written is overwritten.

        Raises:
            DiskFullError: No space; the file ends where it did.
        """
        data = b"".join(_section(cid, block) for cid, block in blocks)
        with os_faults(f"writing {self.path}"):
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.ftruncate(handle, end)
                pwrite_all(handle, data, end)
            except OSError:
                os.ftruncate(handle, end)
                raise
            finally:
                os.close(handle)
        return end + len(data)

    def replace(self, blocks: Iterable[tuple[Cid, bytes]]) -> int:
        """Write anew what is still wanted; returns the new end.

        Call inside a write transaction of the index.
        """
        fresh = self.path.with_suffix(".new")
        with os_faults(f"writing {fresh}"):
            with fresh.open("wb") as stream:
                for cid, block in blocks:
                    stream.write(_section(cid, block))
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self.path)
            return self.path.stat().st_size

    def __iter__(self) -> Iterator[tuple[Cid, bytes]]:
        """Every section whose block is what its CID says; damaged ones are passed over."""
        if not self.path.exists():
            return
        with self.path.open("rb") as stream:
            while head := stream.read(_HEAD_BYTES):
                try:
                    size, used = read_varint(head, 0)
                except ContentFormatError:
                    return
                if size > _LONGEST_BYTES:
                    return
                stream.seek(used - len(head), os.SEEK_CUR)
                section = _checked(stream.read(size), size)
                if section is not None:
                    yield section


def _section(cid: Cid, block: bytes) -> bytes:
    return varint(len(cid.raw) + len(block)) + cid.raw + block


def _checked(section: bytes, size: int) -> tuple[Cid, bytes] | None:
    try:
        cid, at = Cid.read(section, 0)
        cid.verify(section[at:])
    except (ContentFormatError, IntegrityError):
        return None
    return (cid, section[at:]) if len(section) == size else None
