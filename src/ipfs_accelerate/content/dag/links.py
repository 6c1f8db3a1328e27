"""The links of a block of any codec."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.content.cid import Bytes, Cid, Codec, Hash
from ipfs_accelerate.content.dag import cbor, pb
from ipfs_accelerate.errors import ContentFormatError, ModelReferenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.blocks import BlockReader

__all__ = ["block_of", "links_of"]

_LINKLESS = frozenset({Codec.RAW, Codec.JSON, Codec.CBOR, Codec.LIBP2P_KEY})


def block_of(cid: Cid, reader: BlockReader) -> bytes:
    """The block: out of the CID itself where it carries it, else from ``reader``.

    Raises:
        ContentNotFoundError: The reader does not have it.
    """
    return cid.digest if cid.hash_code == Hash.IDENTITY else reader.get(cid)


def links_of(cid: Cid, block: Bytes) -> tuple[Cid, ...]:
    """What a block points at, in its order, repetitions included.

    Raises:
        ContentFormatError: The block is not valid for the codec of its CID, or the codec is
            unknown.
    """
    if cid.codec in _LINKLESS:
        return ()
    if cid.codec == Codec.DAG_PB:
        return tuple(link.cid for link in pb.decode(block).links)
    if cid.codec == Codec.DAG_CBOR:
        return tuple(_cbor_links(cbor.decode(block)))
    if cid.codec == Codec.DAG_JSON:
        return tuple(_json_links(_json(block)))
    raise ContentFormatError(f"codec 0x{cid.codec:x} of {cid} is not supported")


def _json(block: Bytes) -> Any:  # noqa: ANN401 - whatever JSON can hold
    try:
        return json.loads(bytes(block), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ContentFormatError(f"not DAG-JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ContentFormatError("a key of a DAG-JSON map is there twice")
    return made


def _cbor_links(root: object) -> Iterator[Cid]:
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, Cid):
            yield value
        elif isinstance(value, dict):
            pending.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            pending.extend(reversed(value))


def _json_links(root: object) -> Iterator[Cid]:
    """Source: ipld.io/specs/codecs/dag-json/spec: ``{"/": "<cid>"}`` alone in its map."""
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            target = value.get("/")
            if len(value) == 1 and isinstance(target, str):
                yield _json_cid(target)
            else:
                pending.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            pending.extend(reversed(value))


def _json_cid(text: str) -> Cid:
    try:
        return Cid.parse(text)
    except ModelReferenceError as error:
        raise ContentFormatError(f"a DAG-JSON link is no CID: {text[:100]!r}") from error
