"""Interior nodes of a file, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.dag import block_of
from ipfs_accelerate.content.dag.unixfs import Kind, decode_block, leaf_data, wrapped_bytes
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES, MAX_DAG_DEPTH
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

if TYPE_CHECKING:
    from ipfs_accelerate.content.blocks import BlockReader

__all__ = ["Branch", "children_of", "leaf_of", "root_branch"]


class Branch(NamedTuple):
    """A part of a file.

    Attributes:
        cid: Its block.
        offset: First byte in the file.
        size_bytes: Bytes of file below; ``None`` for a root not looked at yet.
        is_leaf: Known to be a leaf; ``None`` when only its block tells.
        depth: Levels below the root.
    """

    cid: Cid
    offset: int
    size_bytes: int | None
    is_leaf: bool | None
    depth: int


def root_branch(root: Cid) -> Branch:
    """The whole file."""
    return Branch(root, 0, None, True if root.codec == Codec.RAW else None, 0)


def leaf_of(cid: Cid, block: bytes, size_bytes: int | None = None) -> memoryview:
    """The file bytes in a verified leaf.

    Args:
        cid: Its name.
        block: Its bytes.
        size_bytes: What the node above says; ``None`` where there is none.

    Raises:
        ContentFormatError: It is no leaf, or holds another number of bytes.
    """
    data = leaf_data(block, is_raw=cid.codec == Codec.RAW)
    if size_bytes is not None and len(data) != size_bytes:
        raise ContentFormatError(
            f"leaf {cid} holds {len(data)} bytes, its parent says {size_bytes}"
        )
    return data


def children_of(branch: Branch, reader: BlockReader) -> list[Branch] | memoryview:
    """What a branch is made of: further branches, or the bytes of a leaf.

    Raises:
        ContentNotFoundError: Its block is not here.
        ContentFormatError: It is not part of a file, or its sizes contradict each other.
        ContentLimitError: It is too deep.
    """
    cid = branch.cid
    block = block_of(cid, reader)
    if cid.codec == Codec.RAW:
        return leaf_of(cid, block, branch.size_bytes)
    if cid.codec != Codec.DAG_PB:
        raise ContentFormatError(f"{cid} is no UnixFS file: its codec is 0x{cid.codec:x}")
    node, unix = decode_block(block)
    if unix.kind not in {Kind.FILE, Kind.RAW}:
        raise ContentFormatError(f"{cid} is a {unix.kind.name.lower()}, not a file")
    if not node.links:
        return leaf_of(cid, block, branch.size_bytes)
    if branch.depth >= MAX_DAG_DEPTH:
        raise ContentLimitError(f"a file is deeper than {MAX_DAG_DEPTH} levels at {cid}")
    _check_sizes(
        branch, len(node.links), unix.block_sizes, unix.size_bytes, has_data=bool(unix.data)
    )
    made: list[Branch] = []
    offset = branch.offset
    for link, size in zip(node.links, unix.block_sizes, strict=True):
        is_leaf = _is_leaf(link.cid, size, link.size_bytes)
        made.append(Branch(link.cid, offset, size, is_leaf, branch.depth + 1))
        offset += size
    return made


def _check_sizes(
    branch: Branch,
    links: int,
    sizes: tuple[int, ...],
    claimed: int | None,
    *,
    has_data: bool,
) -> None:
    cid = branch.cid
    if has_data:
        raise ContentFormatError(f"{cid} holds data beside links, which is not supported")
    if len(sizes) != links:
        raise ContentFormatError(f"{cid} has {links} links but {len(sizes)} block sizes")
    if not all(sizes):
        raise ContentFormatError(f"{cid} has an empty part")
    for expected in (claimed, branch.size_bytes):
        if expected is not None and expected != sum(sizes):
            raise ContentFormatError(
                f"the parts of {cid} make {sum(sizes)} bytes, not the {expected} it claims"
            )


def _is_leaf(cid: Cid, size_bytes: int, tsize: int) -> bool | None:
    """A wrapped leaf has exactly the size of its frame; no honest interior node can."""
    if cid.codec == Codec.RAW:
        if size_bytes > MAX_BLOCK_BYTES:
            raise ContentLimitError(
                f"leaf {cid} claims {size_bytes} bytes; the limit is {MAX_BLOCK_BYTES}"
            )
        return True
    is_framed = size_bytes <= MAX_BLOCK_BYTES and tsize == wrapped_bytes(size_bytes)
    return True if is_framed else None
