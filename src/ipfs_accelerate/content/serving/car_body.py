"""A CAR as pieces: framing in memory, leaves as ranges of files, one node at a time.

Depth first, children in the order of their links, so that a client can verify as it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.content.cid import Cid, Codec, Hash, varint
from ipfs_accelerate.content.dag import Kind, Node, UnixNode, cbor, links_of
from ipfs_accelerate.content.dag.unixfs import decode_block
from ipfs_accelerate.content.serving.byte_ranges import Span
from ipfs_accelerate.content.serving.routes import FileRange, Piece
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ipfs_accelerate.content.serving.blocks import ServedBlocks
    from ipfs_accelerate.content.serving.negotiation import CarForm
    from ipfs_accelerate.content.serving.resolving import Resolved

__all__ = ["car_pieces"]

#: Links waiting to be followed; what a depth-first walk of any honest DAG stays far below.
_MAX_PENDING = 1_000_000


class _Visit(NamedTuple):
    """A block to send, and which bytes of the file it is part of are wanted of it.

    Attributes:
        cid: The block.
        offset: Where its data begins in the file.
        size_bytes: File data below it; ``None`` where that is not known or not of interest.
        is_followed: Its links are sent too.
    """

    cid: Cid
    offset: int = 0
    size_bytes: int | None = None
    is_followed: bool = True


def car_pieces(found: Resolved, form: CarForm, blocks: ServedBlocks) -> Iterator[Piece]:
    """Header, the blocks on the path, then what the scope asks for.

    Raises (while it is iterated):
        ContentNotFoundError: A block is not here; the CAR ends before it.
        ContentFormatError: A block cannot be read.
        ContentLimitError: Too many links are waiting.
    """
    header = cbor.encode({"roots": [found.cid], "version": 1})
    yield varint(len(header)) + header
    walk = _Walk(blocks, form, found.cid)
    for cid in found.on_path:
        yield from walk.send(_Visit(cid, is_followed=False))
    yield from walk.everything()


class _Walk:
    def __init__(self, blocks: ServedBlocks, form: CarForm, root: Cid) -> None:
        self._blocks = blocks
        self._form = form
        self._root = root
        self._span: Span | None = None
        #: Blocks sent, and whether all below them was or will be.
        self._sent: dict[bytes, bool] = {}

    def everything(self) -> Iterator[Piece]:
        """From the end of the path down."""
        first = self._first()
        pending = [first]
        while pending:
            visit = pending.pop()
            is_whole = self._is_whole(visit)
            if not self._form.has_duplicates and self._sent.get(visit.cid.raw) is True:
                continue
            yield from self.send(visit, is_whole=is_whole)
            if visit.is_followed and visit.cid.codec != Codec.RAW:
                pending.extend(reversed(self._below(visit)))
            if len(pending) > _MAX_PENDING:
                raise ContentLimitError(f"more than {_MAX_PENDING} links wait below {self._root}")

    def send(self, visit: _Visit, *, is_whole: bool = False) -> Iterator[Piece]:
        """The section of one block, unless it was sent or carries itself."""
        cid = visit.cid
        was_sent = cid.raw in self._sent
        if not self._form.has_duplicates:
            self._sent[cid.raw] = is_whole and visit.is_followed
        if cid.hash_code == Hash.IDENTITY or (was_sent and not self._form.has_duplicates):
            return
        body = self._blocks.body(cid)
        size_bytes = body.size_bytes if isinstance(body, FileRange) else len(body)
        yield varint(len(cid.raw) + size_bytes) + cid.raw
        yield body

    def _first(self) -> _Visit:
        root, form = self._root, self._form
        if form.scope == "all":
            return _Visit(root)
        if form.scope == "block" or root.codec != Codec.DAG_PB:
            return _Visit(root, is_followed=False)
        node, unix = decode_block(self._blocks.get(root))
        if unix.kind == Kind.HAMT:
            return _Visit(root)
        if unix.kind not in {Kind.FILE, Kind.RAW} or not node.links:
            return _Visit(root, is_followed=False)
        size_bytes = sum(unix.block_sizes)
        self._span = form.span.within(size_bytes) if form.span else Span(0, size_bytes)
        return _Visit(root, 0, size_bytes, is_followed=self._span is not None)

    def _is_whole(self, visit: _Visit) -> bool:
        span = self._span
        if span is None or visit.size_bytes is None:
            return True
        return span.start <= visit.offset and visit.offset + visit.size_bytes <= span.end

    def _below(self, visit: _Visit) -> Sequence[_Visit]:
        block = self._blocks.get(visit.cid)
        if self._form.scope == "all":
            return [_Visit(cid) for cid in links_of(visit.cid, block)]
        node, unix = decode_block(block)
        if unix.kind == Kind.HAMT:
            width = len(f"{(unix.fanout or 1) - 1:X}")
            return [_Visit(link.cid) for link in node.links if len(link.name) == width]
        return self._parts(visit, node, unix)

    def _parts(self, visit: _Visit, node: Node, unix: UnixNode) -> list[_Visit]:
        if len(unix.block_sizes) != len(node.links):
            raise ContentFormatError(f"{visit.cid} has links without sizes")
        assert self._span is not None
        offset = visit.offset + len(unix.data)
        made: list[_Visit] = []
        for link, size in zip(node.links, unix.block_sizes, strict=True):
            if offset < self._span.end and offset + size > self._span.start:
                made.append(_Visit(link.cid, offset, size))
            offset += size
        return made
