"""Walk a DAG of any codecs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Hash
from ipfs_accelerate.content.dag.links import block_of, links_of
from ipfs_accelerate.content.limits import MAX_LEAVES
from ipfs_accelerate.errors import ContentLimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.blocks import BlockReader
    from ipfs_accelerate.content.cid import Cid

__all__ = ["iter_dag"]


def iter_dag(
    root: Cid,
    reader: BlockReader,
    *,
    has_duplicates: bool = False,
    max_blocks: int = MAX_LEAVES,
) -> Iterator[tuple[Cid, bytes]]:
    """Every block below a root, depth first, parents before children, in link order.

    Ends whatever the reader does: a CID met before is not walked again, or with duplicates the
    bound on blocks stops it. Identity CIDs are walked through but are no blocks.

    Args:
        root: Where to begin.
        reader: Hands out blocks.
        has_duplicates: Yield a block as often as it is linked.
        max_blocks: Most CIDs visited.

    Raises:
        ContentNotFoundError: A block is not here.
        ContentFormatError: A block is not valid for its codec.
        ContentLimitError: There are more than ``max_blocks``.
    """
    seen: set[Cid] = set()
    pending = [root]
    visited = 0
    while pending:
        cid = pending.pop()
        if cid in seen:
            continue
        visited += 1
        if visited > max_blocks:
            raise ContentLimitError(f"more than {max_blocks} blocks lie below {root}")
        if not has_duplicates:
            seen.add(cid)
        block = block_of(cid, reader)
        if cid.hash_code != Hash.IDENTITY:
            yield cid, block
        pending.extend(reversed(links_of(cid, block)))
