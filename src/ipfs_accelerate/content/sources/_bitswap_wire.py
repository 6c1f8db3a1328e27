# ruff: noqa: ANN401 — an extra that is not always here has no types
"""The messages of bitswap 1.2, in and out.

Source: https://specs.ipfs.tech/bitswap-protocol/, "Bitswap 1.2.0: Wire Format".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.content.cid import Cid, digest_of, read_varint, varint
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.content.sources._libp2p import module
from ipfs_accelerate.errors import ContentFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Answer", "Ask", "answer", "decode", "encode", "wants_of"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One entry of a want list.

    Attributes:
        cid: The block.
        is_have: Only whether it is there is asked.
        is_cancel: It is no longer wanted.
    """

    cid: Cid
    is_have: bool = False
    is_cancel: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What one message says about one block.

    Attributes:
        multihash: Names the block: computed from the bytes, or as stated where there are none.
        data: Its bytes; ``None`` when only its presence is stated.
        is_present: Whether the other side has it.
    """

    multihash: bytes
    data: bytes | None
    is_present: bool


def encode(asks: Iterable[Ask]) -> bytes:
    """One message that adds to, or takes from, what is wanted."""
    message = _message()
    for ask in asks:
        entry = message.wantlist.entries.add()
        entry.block = ask.cid.raw
        entry.priority = 1
        entry.cancel = ask.is_cancel
        entry.wantType = 1 if ask.is_have else 0
        entry.sendDontHave = not ask.is_cancel
    return bytes(message.SerializeToString())


def decode(data: bytes) -> list[Answer]:
    """The blocks and presences of a message; blocks are named by hashing them here.

    Raises:
        ContentFormatError: It is no message, or a block of it has no name or is too large.
    """
    message = _parsed(data)
    presences = [
        Answer(Cid.from_bytes(entry.cid).multihash, None, entry.type == 0)
        for entry in message.blockPresences
    ]
    return presences + [_block(block.prefix, block.data) for block in message.payload]


def wants_of(data: bytes) -> list[Ask]:
    """What a message asks for.

    Raises:
        ContentFormatError: It is no message, or names something that is no CID.
    """
    return [
        Ask(Cid.from_bytes(entry.block), is_have=entry.wantType == 1, is_cancel=entry.cancel)
        for entry in _parsed(data).wantlist.entries
    ]


def answer(ask: Ask, data: bytes | None) -> bytes:
    """One message that answers one question; ``None`` for a block that is not here."""
    message = _message()
    if data is None or ask.is_have:
        presence = message.blockPresences.add()
        presence.cid = ask.cid.raw
        presence.type = 1 if data is None else 0
    else:
        block = message.payload.add()
        block.prefix = _prefix(ask.cid)
        block.data = data
    return bytes(message.SerializeToString())


def _prefix(cid: Cid) -> bytes:
    """Version, codec, hash and its length: the CID without its digest."""
    head = varint(0) + varint(cid.codec) if cid.version == 0 else b""
    return head + cid.raw[: len(cid.raw) - len(cid.digest)]


def _block(prefix: bytes, data: bytes) -> Answer:
    """A block and its name. Source: "payload" of the wire format: version, codec, hash, length."""
    if len(data) > MAX_BLOCK_BYTES:
        raise ContentFormatError(f"a block of {len(data)} bytes; the limit is {MAX_BLOCK_BYTES}")
    at, values = 0, []
    for _ in range(4):
        value, at = read_varint(prefix, at)
        values.append(value)
    digest = digest_of(data, values[2])
    return Answer(varint(values[2]) + varint(len(digest)) + digest, data, is_present=True)


def _parsed(data: bytes) -> Any:
    message = _message()
    try:
        message.ParseFromString(data)
    except module("google.protobuf.message").DecodeError as error:
        raise ContentFormatError(f"{len(data)} bytes are no bitswap message") from error
    return message


def _message() -> Any:
    return module("libp2p.bitswap.pb.bitswap_pb2").Message()
