"""Seams of the content layer: who holds blocks, and where the bytes of a file lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ipfs_accelerate.content.cid import Cid

__all__ = ["BlockReader", "BlockStore", "FileLayout", "Leaf", "MemoryBlocks", "TreeEntry"]


@runtime_checkable
class BlockReader(Protocol):
    """Whatever can hand out blocks. What it returns has been verified."""

    def get(self, cid: Cid) -> bytes:
        """The block.

        Raises:
            ContentNotFoundError: It is not here.
        """
        ...

    def has(self, cid: Cid) -> bool:
        """Whether `get` would succeed."""
        ...


class BlockStore(BlockReader, Protocol):
    """A reader that also keeps blocks."""

    def put(self, cid: Cid, data: bytes | memoryview, *, is_verified: bool = False) -> None:
        """Keep a block.

        Args:
            cid: Its name.
            data: Its bytes.
            is_verified: The caller has just hashed exactly these bytes; do not hash again.

        Raises:
            BlockMismatchError: The bytes are not the block of this name.
            ContentLimitError: The block is larger than any may be.
        """
        ...


@dataclass(frozen=True, slots=True)
class Leaf:
    """A block that holds file bytes, and where they belong.

    Attributes:
        cid: The block: raw, or a UnixFS leaf in dag-pb.
        offset: First byte of its data in the file.
        size_bytes: Bytes of file data in it (not the size of the block).
    """

    cid: Cid
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FileLayout:
    """Every leaf of one file in order; known once the interior nodes are here.

    Attributes:
        root: CID of the file.
        size_bytes: Bytes of the file.
        leaves: Adjacent, in order, without gap or overlap.
        interior: CIDs of the nodes above the leaves, the root first; empty for a one-block file.
    """

    root: Cid
    size_bytes: int
    leaves: tuple[Leaf, ...]
    interior: tuple[Cid, ...] = ()


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a directory tree.

    Attributes:
        path: POSIX path from the tree's root; empty for a root that is itself a file.
        kind: ``file``, ``directory`` or ``symlink``.
        cid: Its root.
        size_bytes: Bytes of a file; 0 otherwise.
        target: What a symlink points at.
    """

    path: str
    kind: str
    cid: Cid
    size_bytes: int = 0
    target: str | None = None


class MemoryBlocks:
    """A block store in memory: for small DAGs and for tests."""

    def __init__(self, blocks: Iterable[tuple[Cid, bytes]] = ()) -> None:
        self._blocks: dict[bytes, tuple[Cid, bytes]] = {}
        for cid, data in blocks:
            self.put(cid, data)

    def get(self, cid: Cid) -> bytes:
        """See `BlockReader.get`."""
        from ipfs_accelerate.errors import ContentNotFoundError

        found = self._blocks.get(cid.multihash)
        if found is None:
            raise ContentNotFoundError(f"block {cid} is not here")
        return found[1]

    def has(self, cid: Cid) -> bool:
        """See `BlockReader.has`."""
        return cid.multihash in self._blocks

    def put(self, cid: Cid, data: bytes | memoryview, *, is_verified: bool = False) -> None:
        """See `BlockStore.put`."""
        if not is_verified:
            cid.verify(data)
        self._blocks[cid.multihash] = (cid, bytes(data))

    def __iter__(self) -> Iterator[tuple[Cid, bytes]]:
        return iter(self._blocks.values())

    def __len__(self) -> int:
        return len(self._blocks)
