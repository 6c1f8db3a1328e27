"""Frames of a CAR as they come off a connection, received into its buffer without a copy.

Nothing is verified here: whoever asked for the blocks does that.

Source: ipld.io/specs/transport/car/carv1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid, read_varint
from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import ConnectivityError, ContentFormatError, ContentLimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.sources._http import Reply

__all__ = ["iter_frames"]

_MAX_HEADER_BYTES = 64 * 1024
#: Longest binary CID that is accepted: version, codec, hash, length, 128 bytes of digest.
_MAX_CID_BYTES = 160
_MAX_FRAME_BYTES = MAX_BLOCK_BYTES + _MAX_CID_BYTES


def iter_frames(reply: Reply) -> Iterator[tuple[Cid, memoryview]]:
    """Each CID and its bytes; the view is valid until the next step.

    Raises:
        ContentFormatError: It is no CAR version 1.
        ContentLimitError: The header or a block is larger than any may be.
        ConnectivityError: It was cut off or stalled.
    """
    _skip_header(reply)
    buffer = reply.buffer
    head = memoryview(bytearray(_MAX_CID_BYTES))
    while (length := _length(reply)) is not None:
        if length > _MAX_FRAME_BYTES:
            raise ContentLimitError(f"{reply.url} sends a CAR frame of {length} bytes")
        known = min(length, _MAX_CID_BYTES)
        _fill(reply, head[:known])
        cid, begin = Cid.read(head[:known], 0)
        size = length - begin
        if size > MAX_BLOCK_BYTES:
            raise ContentLimitError(f"{reply.url} sends a block of {size} bytes")
        here = known - begin
        buffer[:here] = head[begin:known]
        _fill(reply, buffer[here:size])
        yield cid, buffer[:size]


def _skip_header(reply: Reply) -> None:
    length = _length(reply)
    if length is None or not 0 < length <= _MAX_HEADER_BYTES:
        raise ContentFormatError(f"{reply.url} sends no CAR: its header has {length} bytes")
    header = memoryview(bytearray(length))
    _fill(reply, header)
    decoded = cbor.decode(bytes(header))
    if not isinstance(decoded, dict) or decoded.get("version") != 1:
        raise ContentFormatError(f"{reply.url} sends no CAR of version 1")


def _length(reply: Reply) -> int | None:
    """The varint before a frame; ``None`` at the end of the body."""
    raw = bytearray()
    byte = memoryview(bytearray(1))
    while reply.read_into(byte):
        raw.append(byte[0])
        if byte[0] < 0x80:
            return read_varint(raw, 0)[0]
        if len(raw) == 9:
            raise ContentFormatError(f"{reply.url} sends no CAR: a length is too long")
    if raw:
        raise ConnectivityError(f"{reply.url} cut off inside a CAR")
    return None


def _fill(reply: Reply, view: memoryview) -> None:
    if reply.read_into(view) < len(view):
        raise ConnectivityError(f"{reply.url} cut off inside a CAR")
