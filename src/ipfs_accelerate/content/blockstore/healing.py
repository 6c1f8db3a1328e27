"""Making damaged files whole again, from a reader that has their blocks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ipfs_accelerate.content.blockstore.adding import is_wrapped, payload_of
from ipfs_accelerate.content.blockstore.batch import Range
from ipfs_accelerate.content.blockstore.checking import BROKEN, Extent
from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.content.blockstore.files import pwrite_all
from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.errors import (
    ContentFormatError,
    ContentNotFoundError,
    IntegrityError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.content.blocks import BlockReader, FileLayout
    from ipfs_accelerate.content.blockstore.core import BlockFiles
    from ipfs_accelerate.content.blockstore.files import Folder
    from ipfs_accelerate.content.blockstore.index import Index

__all__ = ["Healing"]


class Healing:
    """Puts back what is missing.

    Args:
        store: What is to be healed.
        index: Its rows.
        folder: Its files.
        source: Has good blocks; what it gives is verified.
    """

    def __init__(
        self,
        store: BlockFiles,
        index: Index,
        folder: Folder,
        source: BlockReader | Callable[[Cid], bytes],
    ) -> None:
        self._store = store
        self._index = index
        self._folder = folder
        self._fetch = source if callable(source) else source.get
        self.healed: list[Cid] = []

    def blocks(self) -> None:
        """Put back blocks taken out of use, now or earlier, that no file brought back."""
        for (raw,) in self._index.rows("SELECT cid FROM damaged"):
            cid = Cid(raw)
            if not self._store.has(cid):
                block = self._good(cid)
                if block is None:
                    continue
                self._store.put(cid, block, is_verified=True)
                self.healed.append(cid)
            with self._index.transaction() as writer:
                writer.execute("DELETE FROM damaged WHERE cid = ?", (raw,))

    def files(self) -> None:
        """Make damaged files whole, as far as the source has their leaves."""
        for extent in Extent.read(self._index, BROKEN):
            layout = self._layout(extent)
            if layout is None:
                continue
            path = self._folder.absolute(extent.path)
            is_ours = extent.kind == "own" and not extent.is_changed
            if is_ours and extent.guard.still_holds(path):
                self._in_place(extent, layout)
            else:
                self._anew(layout)

    # A reader for `file_layout`: what the store lacks comes from the source.

    def get(self, cid: Cid) -> bytes:
        """See `BlockReader.get`."""
        if self._store.has(cid):
            return self._store.get(cid)
        block = self._good(cid)
        if block is None:
            raise ContentNotFoundError(f"block {cid} is neither here nor at the source")
        self._store.put(cid, block, is_verified=True)
        return block

    def has(self, cid: Cid) -> bool:
        """See `BlockReader.has`."""
        return self._store.has(cid)

    def _layout(self, extent: Extent) -> FileLayout | None:
        from ipfs_accelerate.content.reading import file_layout

        try:
            return file_layout(extent.root, self, size_bytes=extent.guard.size_bytes)
        except (ContentNotFoundError, ContentFormatError):
            return None

    def _in_place(self, extent: Extent, layout: FileLayout) -> None:
        """Write what rotted; the file keeps its time, as it becomes again what it was."""
        rows = self._index.rows("SELECT offset FROM ranges WHERE extent = ?", (extent.id,))
        have = {offset for (offset,) in rows}
        path = self._folder.absolute(extent.path)
        with os_faults(f"opening {path}"):
            os.chmod(path, 0o644)  # noqa: PTH101 - a str
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        added = []
        try:
            for leaf in layout.leaves:
                block = None if leaf.offset in have else self._good(leaf.cid)
                if block is None:
                    continue
                data, odd = payload_of(leaf, block)
                if odd is not None:
                    self._store.put(leaf.cid, odd, is_verified=True)
                with os_faults(f"healing {path}"):
                    pwrite_all(handle, data, leaf.offset)
                added.append(
                    Range(
                        leaf.cid.multihash,
                        extent.id,
                        leaf.offset,
                        leaf.size_bytes,
                        is_wrapped(leaf),
                    )
                )
                self.healed.append(leaf.cid)
        finally:
            with os_faults(f"healing {path}"):
                os.fsync(handle)
                os.fchmod(handle, 0o444)
                mtime_ns = extent.guard.mtime_ns or 0
                os.utime(handle, ns=(mtime_ns, mtime_ns))
                os.close(handle)
        with self._index.transaction(is_durable=True) as writer:
            writer.executemany("INSERT OR REPLACE INTO ranges VALUES (?, ?, ?, ?, ?)", added)
            writer.execute(
                "UPDATE extents SET is_complete = leaves ="
                " (SELECT COUNT(*) FROM ranges WHERE extent = extents.id) WHERE id = ?",
                (extent.id,),
            )

    def _anew(self, layout: FileLayout) -> None:
        with self._store.begin(layout) as assembly:
            for leaf in assembly.missing():
                block = self._good(leaf.cid)
                if block is not None:
                    assembly.write(leaf, block)
                    self.healed.append(leaf.cid)
            if not assembly.missing():
                assembly.finish()

    def _good(self, cid: Cid) -> bytes | None:
        """The block, verified; ``None`` where the source does not have it or has it wrong."""
        try:
            block = self._fetch(cid)
            cid.verify(block)
        except (ContentNotFoundError, IntegrityError, ContentFormatError):
            return None
        return block
