"""The blocks of a hashed tree, made again from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Codec
from ipfs_accelerate.content.dag import wrap_leaf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.importing.tree import HashedFile, HashedTree

__all__ = ["iter_blocks"]


def iter_blocks(tree: HashedTree) -> Iterator[tuple[Cid, bytes]]:
    """Every block, verified; for writing a CAR or filling a store that keeps no files.

    Raises:
        BlockMismatchError: A file changed since it was hashed.
    """
    yield from tree.blocks
    for file in tree.files:
        yield from file.interior
        yield from _leaves(file)


def _leaves(file: HashedFile) -> Iterator[tuple[Cid, bytes]]:
    with file.source.open("rb") as stream:
        for leaf in file.layout.leaves:
            data = stream.read(leaf.size_bytes)
            block = data if leaf.cid.codec == Codec.RAW else wrap_leaf(data)
            leaf.cid.verify(block)
            yield leaf.cid, block
