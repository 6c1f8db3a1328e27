"""Blocks and files in and out: the half of the store that everybody uses."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from ipfs_accelerate.content.blockstore.adding import Adding, check_layout
from ipfs_accelerate.content.blockstore.assembly import Assembling, Assembly
from ipfs_accelerate.content.blockstore.batch import Batch
from ipfs_accelerate.content.blockstore.collecting import (
    Collecting,
    CollectReport,
    usage_bytes,
)
from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.content.blockstore.files import Folder
from ipfs_accelerate.content.blockstore.guard import Guard
from ipfs_accelerate.content.blockstore.index import SAME_FILE, Index, file_key
from ipfs_accelerate.content.blockstore.journal import Journal
from ipfs_accelerate.content.blockstore.leases import Leases
from ipfs_accelerate.content.blockstore.lookup import Location, Lookup
from ipfs_accelerate.content.blockstore.opening import check_present, mark_present
from ipfs_accelerate.content.blockstore.pins import Pins
from ipfs_accelerate.content.blockstore.rebuilding import Rebuilding, RebuildReport
from ipfs_accelerate.content.blockstore.room import Room
from ipfs_accelerate.content.cid import Cid, Hash
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import ContentLimitError, ContentNotFoundError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from ipfs_accelerate.content.blocks import FileLayout

__all__ = ["BlockFiles"]

#: Blocks up to this size live inside the index, larger ones in files of their own.
INLINE_BYTES = 64 * 1024


class BlockFiles:
    """What `FileBlockStore` documents, less its upkeep."""

    def __init__(
        self, directory: Path, *, verify_reads: bool, quota_bytes: int | None, is_new: bool
    ) -> None:
        self.directory = directory
        if not is_new:
            check_present(directory)
        self._folder = Folder(directory)
        self._index = Index(directory / "index.sqlite")
        self._leases = Leases(self._index, self._folder)
        self._journal = Journal(directory / "nodes.journal")
        self._batch = Batch(self._index, self._journal, self._leases.begin_session)
        self._lookup = Lookup(self._index, self._folder, self._batch, verify_reads=verify_reads)
        self._adding = Adding(self._index, self._folder, self._leases.begin_session)
        self._assembling = Assembling(self._index, self._folder, self._batch, self._lookup)
        self._collecting = Collecting(self._index, self._folder, self._journal, self._leases)
        self._pins = Pins(self._index, directory / "pins.json")
        self._room = Room(quota_bytes, self._usage_bytes, self.collect)
        if not is_new:
            mark_present(directory)
            self._leases.tidy()
            self._collecting.remove_rubbish(("incoming",))

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
        return self._lookup.has(cid) or cid.hash_code == Hash.IDENTITY

    def put(self, cid: Cid, data: bytes | memoryview, *, is_verified: bool = False) -> None:
        """See `BlockStore.put`. Visible to this process at once, to others within 50 ms.

        Raises:
            BlockMismatchError: The bytes are not the block of this name.
            ContentLimitError: The block is larger than any may be.
            DiskFullError: No space.
            QuotaExceededError: What is pinned leaves no room for it.
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
            self._room.take(len(data))
            self._batch.add_node(cid, bytes(data))
            return
        place = self._lookup.place(cid)
        if place is None:
            self._room.take(len(data))
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
            QuotaExceededError: What is pinned leaves no room for it.
        """
        if mode not in {"auto", "copy", "reference"}:
            raise InputError(f"unknown mode {mode!r}", hint="auto, copy or reference")
        check_layout(layout)
        where = os.path.abspath(path)  # noqa: PTH100 - str in, str out
        with self.protecting(layout.root):
            for cid, data in interior:
                self.put(cid, data)
            self._batch.flush()
            kept = self.file_path(layout.root)
            if kept is not None:
                return kept
            if mode == "reference":
                self._adding.reference(where, layout, seen=unchanged_since)
            else:
                self._room.take(layout.size_bytes)
                self._adding.copy(where, layout, seen=unchanged_since)
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
            QuotaExceededError: What is pinned leaves no room for it.
        """
        check_layout(layout)
        self._batch.flush()
        release = self._leases.acquire(layout.root)
        try:
            found = self._complete(layout.root)
            if found is not None:
                return Assembly(self._assembling, layout, *found[:2], release=release)
            return self._assembling.open(layout, release, self._room.take)
        except BaseException:
            release()
            raise

    def file_path(self, root: Cid) -> Path | None:
        """Where the whole file of this root lies, ``None`` unless all of it is here unchanged.

        It is read-only and shared: copy it before changing it (or `place_tree` with a copy).
        """
        found = self._complete(root)
        if found is None:
            return None
        self._batch.touch(found[0])
        return Path(self._folder.absolute(found[1]))

    def whole_file(self, root: Cid) -> tuple[Path, bool]:
        """Where a file lies, and whether the store owns it (else it is the user's, by reference).

        A file that is here as single blocks (out of a CAR, say) is put together first.

        Raises:
            ContentNotFoundError: Not all of it is here.
            ContentFormatError: It is not a file.
            DiskFullError: No space to put it together.
        """
        from ipfs_accelerate.content.reading import file_layout

        found = self._complete(root)
        if found is None:
            with self.begin(file_layout(root, self)) as assembly:
                return assembly.finish(), True
        self._batch.touch(found[0])
        return Path(self._folder.absolute(found[1])), found[2] == "own"

    @contextmanager
    def protecting(self, root: Cid) -> Iterator[None]:
        """Keep a root, and whatever is kept or used meanwhile, from collection by anybody.

        Dies with the process. Use it around fetching or adding a tree, then `FileBlockStore.pin`.
        """
        release = self._leases.acquire(root)
        try:
            yield
        finally:
            release()

    def collect(self, quota_bytes: int | None = None) -> CollectReport:
        """Remove unpinned roots, least recently used first.

        Pinned trees, roots that any process is fetching or adding, and blocks another live
        process kept stay whole. Safe while other processes read and write: an open file stays
        readable, and what they keep meanwhile is not touched.

        Args:
            quota_bytes: Stop as soon as the store holds no more than this; ``None`` removes
                everything that is not protected.

        Raises:
            QuotaExceededError: What is protected is more than the quota; nothing was removed.
            StoreCorruptError: The index is damaged; nothing was removed.
        """
        self._batch.flush()
        return self._collecting.run(quota_bytes)

    # Life

    def restore(self) -> RebuildReport:
        """Fill a new index from journal, pins and files; see `FileBlockStore.rebuild_index`.

        The journal is read from a renamed copy, which stays until all of it is written anew.
        """
        old = self._journal.path.with_suffix(".old")
        with os_faults(f"reading {old}"):
            if not old.exists() and self._journal.path.exists():
                self._journal.path.rename(old)
        blocks = 0
        for cid, data in Journal(old):
            self._batch.add_node(cid, data)
            blocks += 1
        self._batch.flush()
        pins = self._pins.restore()
        rebuilding = Rebuilding(self._index, self._folder, self)
        rebuilding.run()
        self._batch.flush()
        with os_faults(f"removing {old}"):
            old.unlink(missing_ok=True)
        return RebuildReport(
            blocks, rebuilding.files, rebuilding.partial, tuple(rebuilding.unknown), pins
        )

    def close(self) -> None:
        """Commit what waits and let go of everything.

        Raises:
            StoreError: What waited could not be committed.
        """
        try:
            self._batch.close()
            self._leases.close()
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

    def _complete(self, root: Cid) -> tuple[int, str, str] | None:
        rows = self._index.rows(
            "SELECT id, path, kind, size_bytes, mtime_ns, inode, device FROM extents"  # noqa: S608 (a constant of ours)
            f" WHERE {SAME_FILE} AND is_complete AND kind != 'blob'",
            file_key(root),
        )
        for extent, path, kind, *guard in rows:
            if Guard(*guard).still_holds(self._folder.absolute(path)):
                return extent, path, kind
        return None

    def _usage_bytes(self) -> int:
        with self._index.transaction() as reader:
            return usage_bytes(reader)
