"""The store: whole files on disk, blocks as ranges of them, an index beside them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from ipfs_accelerate.content.blockstore.adding import Adding, check_layout
from ipfs_accelerate.content.blockstore.assembly import Assembling, Assembly
from ipfs_accelerate.content.blockstore.batch import Batch
from ipfs_accelerate.content.blockstore.files import Folder
from ipfs_accelerate.content.blockstore.guard import Guard
from ipfs_accelerate.content.blockstore.index import Index
from ipfs_accelerate.content.blockstore.journal import Journal
from ipfs_accelerate.content.blockstore.lookup import Location, Lookup
from ipfs_accelerate.content.cid import Cid, Hash
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import ContentLimitError, ContentNotFoundError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from sqlite3 import Connection
    from types import TracebackType

    from ipfs_accelerate.content.blocks import FileLayout

__all__ = ["FileBlockStore"]

#: Blocks up to this size live inside the index, larger ones in files of their own.
INLINE_BYTES = 64 * 1024


class FileBlockStore:
    """Blocks in a directory; any number of threads and processes may use it at once.

    What is promised: after a killed process nothing half-written is visible, and at most the
    last 50 ms of single blocks are lost, whole. What `add_file` and `Assembly.finish` returned
    from also survives a power loss. Everything else that was not synced when the machine went
    down is hashed again before it is used. Nothing that does not hash to its name is ever kept.

    Args:
        directory: Made when absent.
        verify_reads: Hash ranges of files on every read. Without it they are trusted as long as
            the file's size, time and inode are those recorded when the bytes were proved; bits
            that rotted silently are found by `check`. Small blocks are always hashed.

    Raises:
        StoreCorruptError: The index is lost or damaged; see `rebuild_index`.
        SchemaTooNewError: A newer version made the store.
        DiskFullError: No space.
    """

    def __init__(self, directory: str | os.PathLike[str], *, verify_reads: bool = False) -> None:
        self.directory = Path(directory).absolute()
        self._folder = Folder(self.directory)
        self._index = Index(self.directory / "index.sqlite")
        self._batch = Batch(self._index, Journal(self.directory / "nodes.journal"), self._on_commit)
        self._lookup = Lookup(self._index, self._folder, self._batch, verify_reads=verify_reads)
        self._adding = Adding(self._index, self._folder, self._on_commit)
        self._assembling = Assembling(self._index, self._folder, self._batch, self._lookup)

    # Blocks

    def get(self, cid: Cid) -> bytes:
        """See `BlockReader.get`.

        Raises:
            ContentNotFoundError: It is not here, or what was here is damaged.
        """
        if cid.hash_code == Hash.IDENTITY:
            return cid.digest
        data = self._lookup.node(cid)
        if data is None:
            data = self._lookup.leaf(cid)
        if data is None:
            raise ContentNotFoundError(
                f"block {cid} is not in {self.directory}", details={"cid": str(cid)}
            )
        return data

    def has(self, cid: Cid) -> bool:
        """See `BlockReader.has`; blocks of a file that somebody changed count as missing."""
        multihash = cid.multihash
        return (
            self._lookup.has_node(multihash)
            or self._lookup.place(cid) is not None
            or cid.hash_code == Hash.IDENTITY
        )

    def put(self, cid: Cid, data: bytes | memoryview, *, is_verified: bool = False) -> None:
        """See `BlockStore.put`. Visible to this process at once, to others within 50 ms.

        Raises:
            BlockMismatchError: The bytes are not the block of this name.
            ContentLimitError: The block is larger than any may be.
            DiskFullError: No space.
        """
        if len(data) > MAX_BLOCK_BYTES:
            raise ContentLimitError(
                f"block {cid} has {len(data)} bytes; the limit is {MAX_BLOCK_BYTES}"
            )
        if not is_verified:
            cid.verify(data)
        if cid.hash_code == Hash.IDENTITY:
            return
        if len(data) <= INLINE_BYTES:
            self._batch.add_node(cid, bytes(data))
            return
        place = self._lookup.place(cid)
        if place is None:
            self._adding.blob(cid, data)
        else:
            self._batch.touch(place.extent)

    def locate(self, cid: Cid) -> Location | None:
        """Where a block lies as it is in a file; ``None`` when it must be read with `get`."""
        return self._lookup.location(cid)

    def flush(self) -> None:
        """Commit what `put` and `Assembly.write` still hold in memory.

        Raises:
            DiskFullError: No space; it stays in memory.
        """
        self._batch.flush()

    # Files

    def add_file(
        self,
        path: str | os.PathLike[str],
        layout: FileLayout,
        interior: Iterable[tuple[Cid, bytes]],
        *,
        mode: Literal["auto", "copy", "reference"] = "auto",
        unchanged_since: Guard | None = None,
    ) -> Path:
        """Keep a whole file; returns where the store has it.

        Args:
            path: The file.
            layout: Its leaves, as `hash_file` found them.
            interior: Blocks above the leaves.
            mode: ``copy`` (and ``auto``) keeps a copy, reflinked where the file system can;
                ``reference`` keeps only where the file lies and how it looks (like Kubo's
                ``--nocopy``): once it is changed its blocks count as missing.
            unchanged_since: `Guard.of` the path *before* it was hashed. ``None`` hashes the copy
                once more, as the file may have changed since.

        Raises:
            InputError: The mode is unknown.
            IntegrityError: The file is not, or no longer, the one of this layout.
            ContentFormatError: The layout has gaps or overlaps.
            DiskFullError: No space; nothing is kept of it.
        """
        if mode not in {"auto", "copy", "reference"}:
            raise InputError(f"unknown mode {mode!r}", hint="auto, copy or reference")
        check_layout(layout)
        for cid, data in interior:
            self.put(cid, data)
        self._batch.flush()
        kept = self.file_path(layout.root)
        if kept is not None:
            return kept
        where = os.path.abspath(path)  # noqa: PTH100 - str in, str out
        add = self._adding.reference if mode == "reference" else self._adding.copy
        add(where, layout, seen=unchanged_since)
        kept = self.file_path(layout.root)
        if kept is None:
            raise ContentNotFoundError(f"{path} changed right after it was added")
        return kept

    def begin(self, layout: FileLayout) -> Assembly:
        """Start, join or resume putting a file together; leaves held locally are copied first.

        Until `Assembly.finish` or `Assembly.close` the file is protected from collection.

        Raises:
            ContentFormatError: The layout has gaps or overlaps.
            ContentLimitError: A leaf is larger than any block may be.
            DiskFullError: The file does not fit on the disk.
        """
        check_layout(layout)
        self._batch.flush()
        found = self._complete(layout.root)
        if found is not None:
            return Assembly(self._assembling, layout, *found, release=_nothing)
        return self._assembling.open(layout, _nothing)

    def file_path(self, root: Cid) -> Path | None:
        """Where the whole file of this root lies, ``None`` unless all of it is here unchanged.

        It is read-only and shared: copy it before changing it (or `place_tree` with a copy).
        """
        found = self._complete(root)
        if found is None:
            return None
        self._batch.touch(found[0])
        return Path(self._folder.absolute(found[1]))

    # Life

    def close(self) -> None:
        """Commit what waits and let go of everything.

        Raises:
            StoreError: What waited could not be committed.
        """
        try:
            self._batch.close()
        finally:
            self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _complete(self, root: Cid) -> tuple[int, str] | None:
        rows = self._index.rows(
            "SELECT id, path, size_bytes, mtime_ns, inode, device FROM extents"
            " WHERE multihash = ? AND is_complete AND kind != 'blob'",
            (root.multihash,),
        )
        for extent, path, *guard in rows:
            if Guard(*guard).still_holds(self._folder.absolute(path)):
                return extent, path
        return None

    def _on_commit(self, writer: Connection, tick: int) -> None:
        """Runs inside every transaction that keeps blocks."""


def _nothing() -> None:
    """Nothing was protected, so nothing is released."""
