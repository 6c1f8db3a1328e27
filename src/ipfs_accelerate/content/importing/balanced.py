"""The balanced DAG above the leaves of a file.

All leaves are equally deep; every node but the last of a level is full; a single leaf is the root
itself. This is what Kubo and Helia build.

Source: specs.ipfs.tech/unixfs, IPIP-499 (layout ``balanced``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.blocks import FileLayout, Leaf
from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.dag import pb, unixfs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.content.profiles import ImportProfile

__all__ = ["build_file", "node_cid", "tree_bytes"]

# cid, bytes of file below, bytes of blocks at and below (Tsize)
_Branch = tuple[Cid, int, int]


def build_file(
    leaves: Sequence[Leaf], profile: ImportProfile
) -> tuple[FileLayout, list[tuple[Cid, bytes]]]:
    """The layout of a file and the blocks above its leaves, the root first, each once."""
    size_of = int if profile.raw_leaves else unixfs.wrapped_bytes
    level: list[_Branch] = [
        (leaf.cid, leaf.size_bytes, size_of(leaf.size_bytes)) for leaf in leaves
    ]
    levels: list[list[tuple[Cid, bytes]]] = []
    while len(level) > 1:
        made = [
            _parent(level[start : start + profile.file_links], profile)
            for start in range(0, len(level), profile.file_links)
        ]
        levels.append([(branch[0], block) for branch, block in made])
        level = [branch for branch, _ in made]
    interior = dict(node for nodes in reversed(levels) for node in nodes)
    layout = FileLayout(
        level[0][0], sum(leaf.size_bytes for leaf in leaves), tuple(leaves), tuple(interior)
    )
    return layout, list(interior.items())


def tree_bytes(
    layout: FileLayout, interior: Sequence[tuple[Cid, bytes]], profile: ImportProfile
) -> int:
    """Bytes of all blocks of a file, shared ones counted as often as they are linked (Tsize)."""
    if interior:
        root = interior[0][1]
        return len(root) + sum(link.size_bytes for link in pb.decode(root).links)
    return layout.size_bytes if profile.raw_leaves else unixfs.wrapped_bytes(layout.size_bytes)


def node_cid(block: bytes, profile: ImportProfile) -> Cid:
    """The name of a dag-pb block under a profile."""
    return Cid.of(
        block, codec=Codec.DAG_PB, hash_code=profile.hash_code, version=profile.cid_version
    )


def _parent(children: Sequence[_Branch], profile: ImportProfile) -> tuple[_Branch, bytes]:
    size_bytes = sum(child[1] for child in children)
    payload = unixfs.encode(
        unixfs.UnixNode(
            unixfs.Kind.FILE,
            size_bytes=size_bytes,
            block_sizes=tuple(child[1] for child in children),
        )
    )
    links = tuple(pb.Link("", cid, total) for cid, _, total in children)
    block = pb.encode(pb.Node(links, payload))
    total = len(block) + sum(child[2] for child in children)
    return (node_cid(block, profile), size_bytes, total), block
