"""UnixFS: files, directories and symlinks inside dag-pb.

Source: specs.ipfs.tech/unixfs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ipfs_accelerate.content.cid import Bytes, varint
from ipfs_accelerate.content.dag.pb import Node
from ipfs_accelerate.content.dag.pb import decode as decode_pb
from ipfs_accelerate.content.dag.wire import (
    BYTES,
    FIXED32,
    VARINT,
    bytes_field,
    fields,
    uvarint,
    varint_field,
)
from ipfs_accelerate.content.limits import MAX_LINKS
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

__all__ = [
    "Kind",
    "UnixNode",
    "decode",
    "decode_block",
    "encode",
    "frame",
    "leaf_data",
    "wrap_leaf",
    "wrapped_bytes",
]


class Kind(IntEnum):
    """What a UnixFS node is."""

    RAW = 0
    DIRECTORY = 1
    FILE = 2
    METADATA = 3
    SYMLINK = 4
    HAMT = 5


@dataclass(frozen=True, slots=True)
class UnixNode:
    """The payload of a dag-pb node.

    Attributes:
        kind: What it is.
        data: Bytes of a file's leaf, target of a symlink, bit field of a HAMT node.
        size_bytes: Bytes of the whole file below; ``None`` where absent.
        block_sizes: Bytes of file below each link.
        hash_type: Multicodec code of a HAMT's hash.
        fanout: Buckets of a HAMT node.
        mode: POSIX permission bits; ``None`` where absent.
        mtime_s: Seconds since 1970, may be negative; ``None`` where absent.
        mtime_ns: Nanoseconds within that second.
    """

    kind: Kind
    data: bytes = b""
    size_bytes: int | None = None
    block_sizes: tuple[int, ...] = ()
    hash_type: int | None = None
    fanout: int | None = None
    mode: int | None = None
    mtime_s: int | None = None
    mtime_ns: int = 0


def encode(node: UnixNode) -> bytes:
    """The message, fields ascending, empty data left out: what Kubo and Helia write."""
    parts = [varint_field(1, node.kind)]
    if node.data:
        parts.append(bytes_field(2, node.data))
    if node.size_bytes is not None:
        parts.append(varint_field(3, node.size_bytes))
    parts.extend(b"\x20" + varint(size) for size in node.block_sizes)
    for number, value in ((5, node.hash_type), (6, node.fanout), (7, node.mode)):
        if value is not None:
            parts.append(varint_field(number, value))
    if node.mtime_s is not None:
        time = varint_field(1, node.mtime_s)
        if node.mtime_ns:
            time += b"\x15" + node.mtime_ns.to_bytes(4, "little")
        parts.append(bytes_field(8, time))
    return b"".join(parts)


def decode(data: Bytes) -> UnixNode:
    """Read the message. Unknown fields are skipped, as protobuf wants.

    Raises:
        ContentFormatError: It is not UnixFS.
        ContentLimitError: It lists more than `MAX_LINKS` block sizes.
    """
    ints: dict[int, int] = {}
    sizes: list[int] = []
    payload, time = b"", None
    for number, wire, value in fields(memoryview(data)):
        if number == 4:
            _add_sizes(sizes, value)
        elif number in _INTS and wire == VARINT and isinstance(value, int):
            ints[number] = value
        elif number == 2 and wire == BYTES and not isinstance(value, int):
            payload = bytes(value)
        elif number == 8 and wire == BYTES and not isinstance(value, int):
            time = _time(value)
        elif number <= 8:
            raise ContentFormatError(f"UnixFS field {number} has wire type {wire}")
    return UnixNode(
        _kind(ints.get(1)),
        payload,
        size_bytes=ints.get(3),
        block_sizes=tuple(sizes),
        hash_type=ints.get(5),
        fanout=ints.get(6),
        mode=ints.get(7),
        mtime_s=time[0] if time else None,
        mtime_ns=time[1] if time else 0,
    )


def decode_block(block: Bytes) -> tuple[Node, UnixNode]:
    """Read a dag-pb block that must hold UnixFS.

    Raises:
        ContentFormatError: It is not dag-pb, has no payload, or the payload is not UnixFS.
    """
    node = decode_pb(block)
    if node.data is None:
        raise ContentFormatError("a dag-pb node has no UnixFS payload")
    return node, decode(node.data)


def frame(size_bytes: int) -> tuple[bytes, bytes]:
    """What stands before and after ``size_bytes`` of file data in a dag-pb leaf."""
    size = varint(size_bytes)
    head = b"\x08\x02" + (b"\x12" + size if size_bytes else b"")
    tail = b"\x18" + size
    return b"\x0a" + varint(len(head) + size_bytes + len(tail)) + head, tail


def wrapped_bytes(size_bytes: int) -> int:
    """Size of the dag-pb leaf block around ``size_bytes`` of file data."""
    head, tail = frame(size_bytes)
    return len(head) + size_bytes + len(tail)


def wrap_leaf(data: Bytes) -> bytes:
    """The canonical dag-pb leaf block of file data, as profiles without raw leaves make it."""
    head, tail = frame(len(data))
    return b"".join((head, data, tail))


def leaf_data(block: Bytes, *, is_raw: bool) -> memoryview:
    """The file bytes inside a verified leaf block; not copied where possible.

    Args:
        block: The block.
        is_raw: The codec of its CID is raw.

    Raises:
        ContentFormatError: It is not a leaf of a file, or lies about its size.
    """
    if is_raw:
        return memoryview(block)
    node, unix = decode_block(block)
    if node.links or unix.kind not in {Kind.FILE, Kind.RAW}:
        raise ContentFormatError(f"a {unix.kind.name.lower()} node is where a leaf should be")
    if unix.block_sizes or unix.size_bytes not in {None, len(unix.data)}:
        raise ContentFormatError(
            f"a leaf of {len(unix.data)} bytes claims to have {unix.size_bytes}"
        )
    return memoryview(unix.data)


_INTS = frozenset({1, 3, 5, 6, 7})


def _kind(value: int | None) -> Kind:
    try:
        return Kind(-1 if value is None else value)
    except ValueError as error:
        raise ContentFormatError(f"UnixFS type {value} is unknown") from error


def _add_sizes(sizes: list[int], value: int | memoryview) -> None:
    if isinstance(value, int):
        sizes.append(value)
    else:  # packed
        at = 0
        while at < len(value) and len(sizes) <= MAX_LINKS:
            size, at = uvarint(value, at)
            sizes.append(size)
    if len(sizes) > MAX_LINKS:
        raise ContentLimitError(f"a UnixFS node lists more than {MAX_LINKS} block sizes")


def _time(data: memoryview) -> tuple[int, int]:
    seconds: int | None = None
    nanoseconds = 0
    for number, wire, value in fields(data):
        if number == 1 and wire == VARINT and isinstance(value, int):
            seconds = value - (1 << 64) if value >> 63 else value
        elif number == 2 and wire == FIXED32 and not isinstance(value, int):
            nanoseconds = int.from_bytes(value, "little")
    if seconds is None or nanoseconds > 999_999_999:
        raise ContentFormatError("the modification time of a UnixFS node is not valid")
    return seconds, nanoseconds
