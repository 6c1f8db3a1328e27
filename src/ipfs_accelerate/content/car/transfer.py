"""Between CARs and stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ipfs_accelerate.content.car.index import IndexKind
from ipfs_accelerate.content.car.reader import read_car
from ipfs_accelerate.content.car.writer import write_car
from ipfs_accelerate.content.dag.walk import iter_dag
from ipfs_accelerate.errors import ContentLimitError

if TYPE_CHECKING:
    from ipfs_accelerate.content.blocks import BlockReader, BlockStore
    from ipfs_accelerate.content.cid import Cid

__all__ = ["ImportedCar", "export_car", "import_car"]


@dataclass(frozen=True, slots=True)
class ImportedCar:
    """What came in.

    Attributes:
        version: Of the CAR.
        roots: Its roots.
        missing_roots: Those whose block is neither in it nor in the store.
        blocks: Blocks read, repetitions included.
        size_bytes: Their bytes.
    """

    version: int
    roots: tuple[Cid, ...]
    missing_roots: tuple[Cid, ...]
    blocks: int
    size_bytes: int


def import_car(stream: BinaryIO, store: BlockStore, *, max_bytes: int | None = None) -> ImportedCar:
    """Put every block of a CAR into a store; each is verified before it is kept.

    Args:
        stream: Open for reading in binary.
        store: Keeps what was read before an error, too.
        max_bytes: Most bytes of blocks accepted; ``None`` for any.

    Raises:
        BlockMismatchError: A block does not hash to its CID.
        ContentFormatError: It is no CAR, or a length lies.
        ContentLimitError: A block is too large, or all of them together are.
    """
    reader = read_car(stream)
    blocks = size_bytes = 0
    for cid, data in reader:
        blocks += 1
        size_bytes += len(data)
        if max_bytes is not None and size_bytes > max_bytes:
            raise ContentLimitError(f"a CAR holds more than {max_bytes} bytes")
        store.put(cid, data, is_verified=True)
    missing = tuple(root for root in reader.roots if not store.has(root))
    return ImportedCar(reader.version, reader.roots, missing, blocks, size_bytes)


def export_car(
    root: Cid,
    reader: BlockReader,
    stream: BinaryIO,
    *,
    version: int = 1,
    index: IndexKind = IndexKind.MULTIHASH_SORTED,
) -> int:
    """Write everything below a root, each block once, parents before children, in link order.

    Returns:
        Bytes written.

    Raises:
        ContentNotFoundError: A block is not in ``reader``.
        InputError: See `write_car`.
    """
    return write_car(stream, [root], iter_dag(root, reader), version=version, index=index)
