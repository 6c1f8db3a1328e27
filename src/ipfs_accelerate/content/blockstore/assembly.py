"""A file while its leaves arrive: one sparse file that every process fetching it shares.

What has arrived is proved, counted in the index and served to others at once. Processes that die
leave their share behind; whoever begins again goes on from there.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.content.blockstore.adding import insert_extent, is_wrapped, payload_of, prove
from ipfs_accelerate.content.blockstore.batch import Batch, Range
from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.content.blockstore.files import Folder, pwrite_all
from ipfs_accelerate.content.blockstore.guard import Guard, boot_id
from ipfs_accelerate.content.blockstore.index import SAME_FILE, Index, file_key, next_tick
from ipfs_accelerate.errors import (
    ContentNotFoundError,
    DiskFullError,
    InputError,
    IntegrityError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ipfs_accelerate.content.blocks import FileLayout, Leaf
    from ipfs_accelerate.content.blockstore.lookup import Lookup

__all__ = ["Assembling", "Assembly"]


class Assembling:
    """What assemblies need of their store."""

    def __init__(self, index: Index, folder: Folder, batch: Batch, lookup: Lookup) -> None:
        self.index = index
        self.folder = folder
        self.batch = batch
        self.lookup = lookup

    def open(
        self, layout: FileLayout, release: Callable[[], None], take: Callable[[int], None]
    ) -> Assembly:
        """Join the assembly of a file, or start it.

        Args:
            layout: Its leaves.
            release: Called when the assembly is finished or closed.
            take: Called with the bytes that a new file will need.

        Raises:
            DiskFullError: The missing bytes do not fit on the disk.
        """
        found = self._find(layout)
        if found is None:
            take(layout.size_bytes)
            found = self._start(layout)
        assembly = Assembly(self, layout, *found, release=release)
        assembly.copy_local()
        return assembly

    def _find(self, layout: FileLayout) -> tuple[int, str] | None:
        """The assembly that exists; rows whose file is gone or not ours are dropped."""
        rows = self.index.rows(
            "SELECT id, path, size_bytes, mtime_ns, inode, device, boot FROM extents"  # noqa: S608 (a constant of ours)
            f" WHERE {SAME_FILE} AND kind = 'incoming'",
            file_key(layout.root),
        )
        for extent, path, *guard, boot in rows:
            if not Guard(*guard).still_holds(self.folder.absolute(path)):
                with self.index.transaction() as writer:
                    writer.execute(
                        "DELETE FROM extents WHERE id = ? AND kind = 'incoming'", (extent,)
                    )
                continue
            if boot != boot_id():
                self._prove_again(layout, extent, path)
            return extent, path
        return None

    def _start(self, layout: FileLayout) -> tuple[int, str]:
        _check_space(self.folder.path, layout)
        with self.folder.staged(layout.root, layout.size_bytes) as (handle, path):
            try:
                with self.index.transaction() as writer:
                    rival = writer.execute(
                        f"SELECT id, path FROM extents WHERE {SAME_FILE} AND kind = 'incoming'",  # noqa: S608 (a constant of ours)
                        file_key(layout.root),
                    ).fetchone()
                    if rival is None:
                        guard = Guard.of(handle)
                        return (
                            insert_extent(writer, layout, kind="incoming", path=path, guard=guard),
                            path,
                        )
            except BaseException:
                self.folder.discard(path)
                raise
            self.folder.discard(path)
            return rival[0], rival[1]

    def _prove_again(self, layout: FileLayout, extent: int, path: str) -> None:
        """After a restart of the machine: keep only the leaves that are still right."""
        with os_faults(f"reading {path}"):
            handle = os.open(self.folder.absolute(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            bad = [leaf for leaf in layout.leaves if not _is_right(handle, leaf, path)]
        finally:
            os.close(handle)
        with self.index.transaction() as writer:
            writer.executemany(
                "DELETE FROM ranges WHERE multihash = ? AND extent = ? AND offset = ?",
                [(leaf.cid.multihash, extent, leaf.offset) for leaf in bad],
            )
            writer.execute("UPDATE extents SET boot = ? WHERE id = ?", (boot_id(), extent))


class Assembly:
    """One file being put together. Threads and processes may write to it at the same time."""

    def __init__(
        self,
        store: Assembling,
        layout: FileLayout,
        extent: int,
        path: str,
        *,
        release: Callable[[], None],
    ) -> None:
        self.layout = layout
        self._store = store
        self._extent = extent
        self._path = path
        self._writing = f"writing {layout.root}"  # made once: writing is a hot path
        self._release: Callable[[], None] | None = release
        self._places: dict[bytes, list[Leaf]] = {}
        for leaf in layout.leaves:
            self._places.setdefault(leaf.cid.multihash, []).append(leaf)

    def missing(self) -> list[Leaf]:
        """Leaves nobody has written yet, in order; a leaf that occurs twice is listed twice."""
        if self.is_finished():
            return []
        have = self._present()
        return [leaf for leaf in self.layout.leaves if leaf.offset not in have]

    def write(self, leaf: Leaf, data: bytes | memoryview) -> None:
        """Put a leaf where it belongs, everywhere it belongs. Writing it again is harmless.

        Args:
            leaf: One of the layout's.
            data: Its block, already verified against ``leaf.cid``; for a dag-pb leaf the payload
                alone is accepted too.

        Raises:
            InputError: The layout has no such leaf.
            BlockMismatchError: The data is not of the leaf's size.
            DiskFullError: No space; what was written before stays and resumes.
        """
        places = self._places.get(leaf.cid.multihash)
        if places is None:
            raise InputError(f"{leaf.cid} is no leaf of {self.layout.root}")
        payload, kept = payload_of(leaf, data)
        written = self._write_all(places, payload)
        if kept is not None:  # a dag-pb leaf that is not in canonical form: keep the block too
            self._store.batch.add_node(leaf.cid, kept)
        self._store.batch.add_range(
            *(
                Range(
                    place.cid.multihash,
                    self._extent,
                    place.offset,
                    place.size_bytes,
                    is_wrapped(place),
                )
                for place in written
            )
        )

    def is_finished(self) -> bool:
        """Whether this or another process has finished the file."""
        return self._finished() is not None

    def finish(self) -> Path:
        """Make the file whole, durable and read-only; returns where it lies.

        After it returned the file survives a power loss.

        Raises:
            ContentNotFoundError: Leaves are missing; ``details["missing"]`` counts them.
            DiskFullError: No space; everything written so far stays and resumes.
        """
        self._store.batch.flush()
        final = self._finished() or self._publish()
        self.close()
        return Path(self._store.folder.absolute(final))

    def copy_local(self) -> None:
        """Take the leaves that other files or single blocks of the store hold, proved again."""
        lookup = self._store.lookup
        for leaf in {leaf.cid.multihash: leaf for leaf in self.missing()}.values():
            block = lookup.node(leaf.cid)
            if block is None:
                block = lookup.leaf(leaf.cid, besides=self._extent, is_verified=True)
            if block is not None:
                self.write(leaf, block)

    def close(self) -> None:
        """Stop protecting what has arrived from garbage collection; nothing is deleted."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _present(self) -> set[int]:
        self._store.batch.flush()
        rows = self._store.index.rows("SELECT offset FROM ranges WHERE extent = ?", (self._extent,))
        return {offset for (offset,) in rows}

    def _finished(self) -> str | None:
        rows = self._store.index.rows(
            "SELECT path FROM extents WHERE id = ? AND is_complete", (self._extent,)
        )
        return rows[0][0] if rows else None

    def _write_all(self, places: list[Leaf], payload: memoryview) -> list[Leaf]:
        """Write under a shared lock, which keeps `finish` out; nothing when it came first."""
        path = self._store.folder.absolute(self._path)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):
            return self._overtaken()
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            if not os.path.exists(path):  # noqa: PTH110 - a hot path
                return self._overtaken()
            with os_faults(self._writing):
                for place in places:
                    pwrite_all(handle, payload, place.offset)
        finally:
            os.close(handle)
        return places

    def _overtaken(self) -> list[Leaf]:
        if self.is_finished():
            return []
        raise ContentNotFoundError(
            f"the assembly of {self.layout.root} was removed", hint="begin it again"
        )

    def _publish(self) -> str:
        folder = self._store.folder
        with os_faults(f"finishing {self.layout.root}"):
            handle = os.open(folder.absolute(self._path), os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            final = self._finished()
            if final is None:
                self._check_whole()
                final = folder.publish(handle, self._path)
                self._commit(handle, final)
            folder.discard(self._path)
        finally:
            os.close(handle)
        return final

    def _check_whole(self) -> None:
        missing = self.missing()
        if missing:
            raise ContentNotFoundError(
                f"{len(missing)} of {len(self.layout.leaves)} leaves of {self.layout.root}"
                " are not here yet",
                hint="write what missing() lists, then finish",
                details={"missing": len(missing), "cid": str(missing[0].cid)},
            )

    def _commit(self, handle: int, final: str) -> None:
        """Name the file in the index, in place of damaged ones of the same root."""
        with self._store.index.transaction(is_durable=True) as writer:
            guard = Guard.of(handle)
            damaged = writer.execute(
                f"DELETE FROM extents WHERE {SAME_FILE} AND is_complete = 0"  # noqa: S608 (a constant of ours)
                " AND kind IN ('own', 'reference') RETURNING path, kind",
                file_key(self.layout.root),
            ).fetchall()
            writer.execute(
                "UPDATE extents SET kind = 'own', path = ?, is_complete = 1, size_bytes = ?,"
                " mtime_ns = ?, inode = ?, device = ?, boot = NULL, tick = ? WHERE id = ?",
                (final, *guard, next_tick(writer), self._extent),
            )
        for path, kind in damaged:
            if kind == "own":
                self._store.folder.discard(path)


def _is_right(handle: int, leaf: Leaf, path: str) -> bool:
    try:
        prove(handle, [leaf], path)
    except IntegrityError:
        return False
    return True


def _check_space(folder: Path, layout: FileLayout) -> None:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if layout.size_bytes > free:
        raise DiskFullError(
            f"{layout.root} needs {layout.size_bytes} bytes, {folder} has {free} free",
            hint="free space or collect()",
        )
