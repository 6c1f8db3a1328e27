"""Sharded directories: a hash array mapped trie of dag-pb nodes.

Every level takes the next bits of a name's hash, most significant first, as the number of a bucket.
A bucket holds one entry, or a node of the next level. Links are named by the bucket in upper-case
hexadecimal, entries followed by their own name, and stand in the order of the buckets; the payload
holds a bit for each bucket in use.

Source: specs.ipfs.tech/unixfs (HAMTDirectory).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.dag._murmur3 import murmur3_x64_64
from ipfs_accelerate.content.dag.links import block_of
from ipfs_accelerate.content.dag.pb import Link, Node, encode, name_bytes
from ipfs_accelerate.content.dag.unixfs import Kind, UnixNode, decode_block
from ipfs_accelerate.content.dag.unixfs import encode as encode_unixfs
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ipfs_accelerate.content.blocks import BlockReader
    from ipfs_accelerate.content.cid import Cid

__all__ = ["build", "find_entry", "iter_entries"]

_MURMUR3_X64_64 = 0x22
#: Source: the limit of boxo, so that one node fits a block.
_MAX_FANOUT = 1024


def build(
    entries: Sequence[Link], fanout: int, name_block: Callable[[bytes], Cid]
) -> tuple[Link, list[tuple[Cid, bytes]]]:
    """Shard a directory.

    Args:
        entries: With distinct names, in any order.
        fanout: Buckets of a node; a power of two from 8 to 1024.
        name_block: The CID of a dag-pb block.

    Returns:
        The root (nameless, its size cumulative), and all nodes with the root first.
    """
    bits = _bits_of(fanout)
    hashed = [(murmur3_x64_64(name_bytes(link.name)), link) for link in entries]
    blocks: list[tuple[Cid, bytes]] = []
    root = _build(hashed, bits, 0, name_block, blocks)
    blocks.reverse()
    return root, blocks


def iter_entries(node: Node, unix: UnixNode, reader: BlockReader) -> Iterator[Link]:
    """All entries below the root of a sharded directory, names without their bucket.

    Raises:
        ContentNotFoundError: A node is not here.
        ContentFormatError: A node is not HAMT, or an entry is in a bucket its hash does not name.
    """
    bits = _checked_bits(unix)
    below = [_iter_shard(node, unix, bits, 0, 0)]
    while below:
        found = next(below[-1], None)
        if found is None:
            below.pop()
        elif found[1].name:
            yield found[1]
        else:
            path, link = found
            child = _child(link.cid, bits, len(below), reader)
            below.append(_iter_shard(*child, bits, len(below), path))


def _iter_shard(
    node: Node, unix: UnixNode, bits: int, depth: int, path: int
) -> Iterator[tuple[int, Link]]:
    """Links of one node with the hash bits that lead to them; of entries these are checked."""
    for bucket, link in _buckets(node, unix, bits):
        here = path << bits | bucket
        if link.name:
            _check_place(link.name, here, bits * (depth + 1))
        yield here, link


def find_entry(node: Node, unix: UnixNode, name: str, reader: BlockReader) -> Link | None:
    """The entry of this name, reading only the nodes on its way; ``None`` when there is none."""
    bits = _checked_bits(unix)
    place = murmur3_x64_64(name_bytes(name))
    depth = 0
    while True:
        wanted = place >> (64 - bits * (depth + 1)) & ((1 << bits) - 1)
        link = next((link for bucket, link in _buckets(node, unix, bits) if bucket == wanted), None)
        if link is None or link.name:
            return link if link is not None and link.name == name else None
        depth += 1
        node, unix = _child(link.cid, bits, depth, reader)


def _build(
    hashed: list[tuple[int, Link]],
    bits: int,
    depth: int,
    name_block: Callable[[bytes], Cid],
    blocks: list[tuple[Cid, bytes]],
) -> Link:
    shift = 64 - bits * (depth + 1)
    if shift < 0:
        raise ContentLimitError(f"names collide in all 64 bits: {hashed[0][1].name!r}")
    buckets: dict[int, list[tuple[int, Link]]] = {}
    for item in hashed:
        buckets.setdefault(item[0] >> shift & ((1 << bits) - 1), []).append(item)
    width = _width(bits)
    links: list[Link] = []
    for bucket, items in sorted(buckets.items()):
        prefix = f"{bucket:0{width}X}"
        if len(items) == 1:
            link = items[0][1]
            links.append(Link(prefix + link.name, link.cid, link.size_bytes))
        else:
            child = _build(items, bits, depth + 1, name_block, blocks)
            links.append(Link(prefix, child.cid, child.size_bytes))
    block = encode(Node(tuple(links), _payload(buckets, 1 << bits)))
    cid = name_block(block)
    blocks.append((cid, block))
    return Link("", cid, len(block) + sum(link.size_bytes for link in links))


def _payload(buckets: dict[int, list[tuple[int, Link]]], fanout: int) -> bytes:
    field = sum(1 << bucket for bucket in buckets)
    return encode_unixfs(
        UnixNode(
            Kind.HAMT,
            field.to_bytes((field.bit_length() + 7) // 8, "big"),
            hash_type=_MURMUR3_X64_64,
            fanout=fanout,
        )
    )


def _bits_of(fanout: int) -> int:
    if fanout.bit_count() != 1 or not 8 <= fanout <= _MAX_FANOUT:
        raise ContentFormatError(
            f"a HAMT has a fanout of {fanout}",
            hint=f"it must be a power of two from 8 to {_MAX_FANOUT}",
        )
    return fanout.bit_length() - 1


def _checked_bits(unix: UnixNode) -> int:
    if unix.hash_type != _MURMUR3_X64_64:
        raise ContentFormatError(f"a HAMT uses hash {unix.hash_type}, not murmur3-x64-64")
    return _bits_of(unix.fanout or 0)


def _width(bits: int) -> int:
    return len(f"{(1 << bits) - 1:X}")


def _buckets(node: Node, unix: UnixNode, bits: int) -> Iterator[tuple[int, Link]]:
    """Bucket and link, the bucket's digits taken off the name."""
    width = _width(bits)
    used = int.from_bytes(unix.data, "big")
    if len(unix.data) > (1 << bits) // 8:
        raise ContentFormatError(f"a HAMT bit field has {len(unix.data)} bytes")
    before = -1
    for link in node.links:
        bucket = _bucket(link.name, width)
        if bucket <= before or not used >> bucket & 1:
            raise ContentFormatError(f"HAMT link {link.name!r} is out of order or not in its field")
        before = bucket
        yield bucket, Link(link.name[width:], link.cid, link.size_bytes)
    if used.bit_count() != len(node.links):
        raise ContentFormatError(
            f"a HAMT node has {len(node.links)} links but {used.bit_count()} buckets in use"
        )


def _bucket(name: str, width: int) -> int:
    digits = name[:width]
    if len(digits) != width or any(char not in "0123456789ABCDEF" for char in digits):
        raise ContentFormatError(f"HAMT link {name!r} does not begin with its bucket")
    return int(digits, 16)


def _child(cid: Cid, bits: int, depth: int, reader: BlockReader) -> tuple[Node, UnixNode]:
    if bits * (depth + 1) > 64:
        raise ContentLimitError(f"a HAMT is deeper than its hash has bits at {cid}")
    node, unix = decode_block(block_of(cid, reader))
    if unix.kind != Kind.HAMT or _checked_bits(unix) != bits:
        raise ContentFormatError(f"{cid} is no HAMT node of the same fanout as its parent")
    if not node.links:  # else a few such nodes could make a tree of 2^64 of them
        raise ContentFormatError(f"{cid} is an empty HAMT node below the root")
    return node, unix


def _check_place(name: str, path: int, bits: int) -> None:
    if murmur3_x64_64(name_bytes(name)) >> (64 - bits) != path:
        raise ContentFormatError(f"HAMT entry {name!r} is not in the bucket of its hash")
