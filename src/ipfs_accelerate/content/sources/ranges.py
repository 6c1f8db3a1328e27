"""Blocks as byte ranges of whole files that lie at an origin: a hub, an object store.

Source: leaves of a UnixFS file are its bytes in order, so offset and size of a leaf say where it
lies in the file. Nodes above the leaves exist in no file and are never found here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Codec
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.sources.protocol import Want

__all__ = ["OriginFile", "Piece", "RangeMap", "Span"]


@dataclass(frozen=True, slots=True)
class OriginFile:
    """One file at an origin.

    Attributes:
        path: Its name there, as the origin spells it.
        size_bytes: Its size.
        sha256: Hex digest of the whole file.
        is_one_block: The file's root is its only block.
    """

    path: str
    size_bytes: int
    sha256: str
    is_one_block: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A wanted block and the bytes of the file that are its data.

    Attributes:
        want: What was asked for.
        offset: First byte in the file.
        size_bytes: Bytes of file data.
        is_wrapped: The block is a UnixFS leaf around the data, not the data itself.
    """

    want: Want
    offset: int
    size_bytes: int
    is_wrapped: bool

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.offset + self.size_bytes

    def block(self, data: bytes | memoryview) -> bytes | memoryview:
        """The block whose data these bytes are."""
        if not self.is_wrapped:
            return data
        from ipfs_accelerate.content.dag.unixfs import wrap_leaf

        return wrap_leaf(bytes(data))


@dataclass(frozen=True, slots=True)
class Span:
    """One request: adjacent pieces of one file, in order."""

    file: OriginFile
    pieces: tuple[Piece, ...]

    @property
    def start(self) -> int:
        """First byte."""
        return self.pieces[0].offset

    @property
    def end(self) -> int:
        """First byte behind the last."""
        return self.pieces[-1].end


class RangeMap:
    """Which file of an origin holds the bytes of which DAG.

    Args:
        files: Root of a file → the file at the origin with the same bytes.
    """

    def __init__(self, files: Mapping[Cid, OriginFile]) -> None:
        self._files = {root.multihash: file for root, file in files.items()}

    def __len__(self) -> int:
        return len(self._files)

    def locate(self, want: Want) -> tuple[OriginFile, Piece] | None:
        """Where the data of a block lies; ``None`` when it lies in no file as far as is known."""
        root = want.file or want.cid
        file = self._files.get(root.multihash)
        if file is None:
            return None
        is_wrapped = want.cid.codec == Codec.DAG_PB
        if want.cid.multihash == root.multihash:
            whole = Piece(want, 0, file.size_bytes, is_wrapped)
            return (file, whole) if file.is_one_block else None
        if want.offset is None or want.size_bytes is None:
            return None
        piece = Piece(want, want.offset, want.size_bytes, is_wrapped)
        is_inside = 0 <= piece.offset <= piece.end <= file.size_bytes
        return (file, piece) if is_inside and piece.size_bytes <= MAX_BLOCK_BYTES else None

    def spans(self, wants: Iterable[Want], *, longest_bytes: int) -> Iterator[Span]:
        """Join what is adjacent in one file into requests of at most ``longest_bytes``.

        A single piece may be longer. Wants that lie in no file are left out.
        """
        file: OriginFile | None = None
        pieces: list[Piece] = []
        for want in wants:
            found = self.locate(want)
            if found is None:
                continue
            is_next = file is found[0] and pieces[-1].end == found[1].offset
            if pieces and not (is_next and found[1].end - pieces[0].offset <= longest_bytes):
                assert file is not None
                yield Span(file, tuple(pieces))
                pieces = []
            file = found[0]
            pieces.append(found[1])
        if pieces and file is not None:
            yield Span(file, tuple(pieces))
