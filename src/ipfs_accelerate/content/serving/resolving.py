"""From a content path to the block it ends at, through directories, shards, maps and lists."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.dag import Kind, Node, UnixNode, cbor, hamt
from ipfs_accelerate.content.dag.unixfs import decode_block
from ipfs_accelerate.content.serving.routes import RefusedError
from ipfs_accelerate.errors import ContentFormatError, ContentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.content.blocks import BlockReader

__all__ = ["Resolved", "resolve", "unixfs_of"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a path leads.

    Attributes:
        cid: The block at its end.
        roots: The block at the end of each segment, the first root first.
        on_path: Every block read on the way, in order, without the last.
    """

    cid: Cid
    roots: tuple[Cid, ...]
    on_path: tuple[Cid, ...]


class _Recorder:
    def __init__(self, reader: BlockReader) -> None:
        self._reader = reader
        self.read: list[Cid] = []

    def get(self, cid: Cid) -> bytes:
        self.read.append(cid)
        return self._reader.get(cid)

    def has(self, cid: Cid) -> bool:
        return self._reader.has(cid)


def resolve(root: Cid, segments: Sequence[str], reader: BlockReader) -> Resolved:
    """Follow a path. Symlinks are ends, not ways.

    Raises:
        ContentNotFoundError: A segment names nothing, or a block on the way is not here.
        ContentFormatError: A block on the way is damaged.
        RefusedError: With status 501: it ends inside a block.
    """
    recorder = _Recorder(reader)
    roots = [root]
    at = 0
    while at < len(segments):
        cid, used = _step(roots[-1], segments[at:], recorder)
        at += used
        roots.append(cid)
    return Resolved(roots[-1], tuple(roots), tuple(recorder.read))


def unixfs_of(cid: Cid, reader: BlockReader) -> tuple[Node, UnixNode]:
    """A dag-pb block as UnixFS."""
    return decode_block(reader.get(cid))


def _step(cid: Cid, segments: Sequence[str], reader: BlockReader) -> tuple[Cid, int]:
    if cid.codec == Codec.DAG_PB:
        return _entry(cid, segments[0], reader), 1
    if cid.codec in {Codec.DAG_CBOR, Codec.DAG_JSON}:
        block = reader.get(cid)
        value = cbor.decode(block) if cid.codec == Codec.DAG_CBOR else _json(block)
        return _inside(cid, value, segments)
    raise ContentNotFoundError(f"there is no {segments[0]!r} in {cid}: it has no parts")


def _entry(cid: Cid, name: str, reader: BlockReader) -> Cid:
    node, unix = unixfs_of(cid, reader)
    if unix.kind == Kind.HAMT:
        link = hamt.find_entry(node, unix, name, reader)
    elif unix.kind == Kind.DIRECTORY:
        link = next((link for link in node.links if link.name == name), None)
    else:
        link = None
    if link is None:
        raise ContentNotFoundError(f"there is no {name!r} in {cid}")
    return link.cid


def _inside(cid: Cid, value: object, segments: Sequence[str]) -> tuple[Cid, int]:
    for used, name in enumerate(segments, 1):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise ContentNotFoundError(f"there is no {name!r} in {cid}")
        if isinstance(value, Cid):
            return value, used
    raise RefusedError(501, "reading IPLD Kinds other than Links (CBOR Tag 42) is not implemented")


def _json(block: bytes) -> object:
    """Source: ipld.io/specs/codecs/dag-json/spec: ``{"/": "<cid>"}`` is a link."""
    try:
        return json.loads(block, object_hook=_linked)
    except (ValueError, RecursionError) as error:
        raise ContentFormatError(f"not DAG-JSON: {error}") from error


def _linked(value: dict[str, object]) -> object:
    target = value.get("/")
    return Cid.parse(target) if len(value) == 1 and isinstance(target, str) else value
