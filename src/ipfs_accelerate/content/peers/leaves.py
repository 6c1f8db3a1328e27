"""The leaves of a root and their numbers, the same at every node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid, Codec, Hash
from ipfs_accelerate.content.dag import Kind, links_of
from ipfs_accelerate.content.dag.unixfs import decode_block
from ipfs_accelerate.content.limits import MAX_LEAVES
from ipfs_accelerate.content.reading import file_layout
from ipfs_accelerate.errors import ContentLimitError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ipfs_accelerate.content.blocks import BlockReader

__all__ = ["LeafIndex"]


@dataclass(frozen=True, slots=True)
class LeafIndex:
    """Every leaf below a root once, by its multihash.

    Attributes:
        cids: In the order of their multihashes: a leaf's number is its place.
        numbers: Multihash → number.
    """

    cids: tuple[Cid, ...]
    numbers: dict[bytes, int]

    @classmethod
    def of(cls, root: Cid, reader: BlockReader) -> LeafIndex:
        """Find the leaves; only nodes above them need to be here.

        Raises:
            ContentNotFoundError: A node is not here (yet).
            ContentFormatError: A node is not valid.
            ContentLimitError: There are more leaves or nodes than are accepted.
        """
        found: dict[bytes, Cid] = {}
        seen: set[bytes] = set()
        pending = [root]
        while pending:
            cid = pending.pop()
            if cid.raw in seen or cid.hash_code == Hash.IDENTITY:
                continue
            seen.add(cid.raw)
            if cid.codec == Codec.RAW:
                found[cid.multihash] = cid
            else:
                pending.extend(_below(cid, reader, found))
            if len(seen) > MAX_LEAVES or len(found) > MAX_LEAVES:
                raise ContentLimitError(f"more than {MAX_LEAVES} blocks below {root}")
        keys = sorted(found)
        return cls(tuple(found[key] for key in keys), {key: n for n, key in enumerate(keys)})

    @property
    def keys(self) -> list[bytes]:
        """Multihashes in order."""
        return list(self.numbers)

    def number(self, cid: Cid) -> int | None:
        """The leaf's number; ``None`` for what is no leaf."""
        return self.numbers.get(cid.multihash)


def _below(cid: Cid, reader: BlockReader, found: dict[bytes, Cid]) -> Iterable[Cid]:
    """What a node leads to; the leaves of a file are put into ``found``."""
    block = reader.get(cid)
    if cid.codec == Codec.DAG_PB:
        node, unix = decode_block(block)
        if unix.kind in {Kind.FILE, Kind.RAW}:
            if node.links:
                leaves = file_layout(cid, reader).leaves
                found.update((leaf.cid.multihash, leaf.cid) for leaf in leaves)
            return ()
        return [link.cid for link in node.links]
    return links_of(cid, block)
