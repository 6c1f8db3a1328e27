"""Files: the layout of their leaves, and their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.blocks import FileLayout, Leaf
from ipfs_accelerate.content.limits import MAX_FILE_BYTES, MAX_LEAVES
from ipfs_accelerate.content.reading._nodes import Branch, children_of, leaf_of, root_branch
from ipfs_accelerate.errors import ContentLimitError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.blocks import BlockReader
    from ipfs_accelerate.content.cid import Cid

__all__ = ["file_layout", "iter_file", "leaf_of"]


def file_layout(
    root: Cid,
    reader: BlockReader,
    *,
    size_bytes: int | None = None,
    max_bytes: int = MAX_FILE_BYTES,
    max_leaves: int = MAX_LEAVES,
) -> FileLayout:
    """Where every leaf of a file belongs; reads the nodes above the leaves only.

    A leaf is told from a node by its codec, or by the size its link claims; where that says
    nothing its block is read. The data of a leaf is checked when it is read (`leaf_of`).

    Args:
        root: The file.
        reader: Has the interior nodes; the leaf too where it is the root.
        size_bytes: Bytes of a root that is a raw block, so that it need not be here.
        max_bytes: Largest file accepted: a few links to one leaf can claim any size.
        max_leaves: Most leaves and nodes accepted.

    Raises:
        ContentNotFoundError: An interior node is not here.
        ContentFormatError: It is not a file, or its sizes contradict each other.
        ContentLimitError: It is too deep, too large or has too many leaves.
    """
    branch = root_branch(root)
    if size_bytes is not None and branch.is_leaf:
        return FileLayout(root, size_bytes, (Leaf(root, 0, size_bytes),))
    interior: dict[Cid, None] = {}
    leaves: list[Leaf] = []
    nodes = 0
    level = [branch._replace(is_leaf=None)]
    while level:
        below: list[Branch] = []
        for branch in level:
            parts = children_of(branch, reader)
            if isinstance(parts, memoryview):
                leaves.append(Leaf(branch.cid, branch.offset, len(parts)))
                continue
            nodes += 1
            interior[branch.cid] = None
            _bound(parts[-1], nodes + len(leaves) + len(below) + len(parts), max_bytes, max_leaves)
            for part in parts:
                if part.is_leaf and part.size_bytes is not None:
                    leaves.append(Leaf(part.cid, part.offset, part.size_bytes))
                else:
                    below.append(part)
        level = below
    leaves.sort(key=lambda leaf: leaf.offset)
    return FileLayout(
        root, leaves[-1].offset + leaves[-1].size_bytes, tuple(leaves), tuple(interior)
    )


def iter_file(
    root: Cid, reader: BlockReader, start: int = 0, end: int | None = None
) -> Iterator[memoryview]:
    """The bytes ``start`` to ``end`` (exclusive) of a file, in order, one piece a leaf.

    Only the blocks that the range touches are read; a range past the end is cut, as of a slice.

    Raises:
        InputError: The range is negative.
        ContentNotFoundError: A block is not here.
        ContentFormatError: It is not a file, or its sizes contradict each other.
        ContentLimitError: It is too deep.
    """
    if start < 0 or (end is not None and end < 0):
        raise InputError(f"the range {start} to {end} is negative")
    return _pieces(root, reader, start, end)


def _pieces(root: Cid, reader: BlockReader, start: int, end: int | None) -> Iterator[memoryview]:
    pending = [root_branch(root)]
    while pending:
        branch = pending.pop()
        if end is not None and branch.offset >= end:
            return
        if branch.size_bytes is not None and branch.offset + branch.size_bytes <= start:
            continue
        parts = children_of(branch, reader)
        if isinstance(parts, list):
            pending.extend(reversed(parts))
            continue
        stop = len(parts) if end is None else min(len(parts), end - branch.offset)
        piece = parts[max(start - branch.offset, 0) : stop]
        if len(piece):
            yield piece


def _bound(last: Branch, leaves: int, max_bytes: int, max_leaves: int) -> None:
    size_bytes = last.offset + (last.size_bytes or 0)
    if size_bytes > max_bytes:
        raise ContentLimitError(
            f"a file claims {size_bytes} bytes or more; the limit is {max_bytes}"
        )
    if leaves > max_leaves:
        raise ContentLimitError(f"a file has more than {max_leaves} blocks")
