"""A new index out of the files: journal, pins, and every kept or unfinished file hashed again."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.content.blocks import FileLayout, Leaf
from ipfs_accelerate.content.blockstore.adding import insert_extent, is_wrapped, prove
from ipfs_accelerate.content.blockstore.guard import Guard
from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import (
    ContentFormatError,
    ContentNotFoundError,
    IntegrityError,
    ModelReferenceError,
)

if TYPE_CHECKING:
    from ipfs_accelerate.content.blocks import BlockStore
    from ipfs_accelerate.content.blockstore.files import Folder
    from ipfs_accelerate.content.blockstore.index import Index

__all__ = ["RebuildReport", "Rebuilding", "set_aside"]


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What was found again.

    Attributes:
        blocks: Small blocks out of the journal.
        files: Files whose every leaf is right.
        partial: Files, unfinished ones too, of which some leaves are right.
        unknown: Files that could not be told apart from rubbish; the next collection removes
            them.
        pins: Pins.
    """

    blocks: int
    files: int
    partial: int
    unknown: tuple[str, ...]
    pins: int


def set_aside(directory: Path) -> None:
    """Rename what there is of an index, so that a new one can be made; nothing is deleted."""
    mark = secrets.token_hex(4)
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            old = directory / f"index.sqlite{suffix}"
            old.rename(directory / f"damaged-{mark}.sqlite{suffix}")


class Rebuilding:
    """Finds files again.

    Args:
        index: The new index.
        folder: The files.
        blocks: Has the small blocks again.
    """

    def __init__(self, index: Index, folder: Folder, blocks: BlockStore) -> None:
        self._index = index
        self._folder = folder
        self._blocks = blocks
        self.files = 0
        self.partial = 0
        self.unknown: list[str] = []

    def run(self) -> None:
        """Hash every file and write the rows of what is right."""
        for path in sorted(self._folder.listing("files")):
            self._file(path, kind="own")
        for path in sorted(self._folder.listing("incoming")):
            self._file(path, kind="incoming")

    def _file(self, path: str, *, kind: str) -> None:
        layout = None
        with suppress(ModelReferenceError):
            root = Cid.parse(path.rpartition("/")[2].partition("~")[0])
            layout = self._layout(root, path)
        if layout is None:
            self.unknown.append(path)
            return
        handle = os.open(self._folder.absolute(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            is_blob = layout.interior == () and not layout.leaves
            right = [leaf for leaf in layout.leaves if _is_right(handle, leaf, path)]
            if is_blob:
                self._blob(layout.root, path, Guard.of(handle))
            elif right or not layout.leaves:
                self._write(layout, right, path, kind=kind, guard=Guard.of(handle))
            else:
                self.unknown.append(path)
        finally:
            os.close(handle)

    def _layout(self, root: Cid, path: str) -> FileLayout | None:
        """The layout of a file; without leaves for a single block that is no file."""
        from ipfs_accelerate.content.reading import file_layout

        where = Path(self._folder.absolute(path))
        size_bytes = where.stat().st_size
        if root.codec == Codec.RAW:
            return FileLayout(root, size_bytes, (Leaf(root, 0, size_bytes),))
        if size_bytes <= MAX_BLOCK_BYTES:
            with suppress(IntegrityError, ContentFormatError):
                root.verify(where.read_bytes())
                return FileLayout(root, size_bytes, ())
        try:
            return file_layout(root, self._blocks)
        except (ContentNotFoundError, ContentFormatError):
            return self._guess(root, where)

    def _guess(self, root: Cid, where: Path) -> FileLayout | None:
        """Hash a file whose interior nodes are lost in every known way."""
        from ipfs_accelerate.content.importing import hash_file
        from ipfs_accelerate.content.profiles import PROFILES

        for profile in PROFILES.values():
            layout, interior = hash_file(where, profile)
            if layout.root.multihash == root.multihash:
                for cid, data in interior:
                    self._blocks.put(cid, data)
                return layout
        return None

    def _blob(self, root: Cid, path: str, guard: Guard) -> None:
        block = FileLayout(root, guard.size_bytes, (Leaf(root, 0, guard.size_bytes),))
        with self._index.transaction() as writer:
            extent = insert_extent(writer, block, kind="blob", path=path, guard=guard)
            writer.execute("UPDATE ranges SET is_wrapped = 0 WHERE extent = ?", (extent,))
        self.files += 1

    def _write(
        self, layout: FileLayout, right: list[Leaf], path: str, *, kind: str, guard: Guard
    ) -> None:
        with self._index.transaction() as writer:
            extent = insert_extent(writer, layout, kind="incoming", path=path, guard=guard)
            writer.executemany(
                "INSERT INTO ranges VALUES (?, ?, ?, ?, ?)",
                [
                    (leaf.cid.multihash, extent, leaf.offset, leaf.size_bytes, is_wrapped(leaf))
                    for leaf in right
                ],
            )
            is_whole = kind == "own" and len(right) == len(layout.leaves)
            if kind == "own":
                writer.execute(
                    "UPDATE extents SET kind = 'own', is_complete = ?, mtime_ns = ? WHERE id = ?",
                    (is_whole, guard.mtime_ns, extent),
                )
        self.files += is_whole
        self.partial += not is_whole


def _is_right(handle: int, leaf: Leaf, path: str) -> bool:
    try:
        prove(handle, [leaf], path)
    except (IntegrityError, ContentFormatError):
        return False
    return True
