"""Bringing whole files and large blocks in: staged, proved, published in one transaction."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.content.blockstore.files import (
    copy_range,
    pread_exactly,
    pwrite_all,
    reflink,
)
from ipfs_accelerate.content.blockstore.guard import Guard, boot_id
from ipfs_accelerate.content.blockstore.index import Index, next_tick
from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import (
    BlockMismatchError,
    ContentFormatError,
    ContentLimitError,
    InputError,
    IntegrityError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from sqlite3 import Connection

    from ipfs_accelerate.content.blocks import FileLayout, Leaf
    from ipfs_accelerate.content.blockstore.files import Folder

__all__ = ["Adding", "check_layout", "insert_extent", "is_wrapped", "payload_of", "prove"]


class Adding:
    """The writing half for whole files.

    Args:
        index: Gets the rows.
        folder: Gets the files.
        on_commit: Runs inside each transaction that keeps a single block.
    """

    def __init__(
        self, index: Index, folder: Folder, on_commit: Callable[[Connection, int], None]
    ) -> None:
        self._index = index
        self._folder = folder
        self._on_commit = on_commit

    def copy(self, path: str, layout: FileLayout, *, seen: Guard | None) -> None:
        """Keep a copy (reflinked where the file system can) of a file.

        Args:
            path: The file.
            layout: Its leaves.
            seen: How it looked before it was hashed; ``None`` proves the copy anew.

        Raises:
            IntegrityError: It is not (or no longer) the file of this layout.
            DiskFullError: No space; nothing is kept of it.
        """
        with self._folder.staged(layout.root, 0) as (handle, staged):
            try:
                with os_faults(f"reading {path}"):
                    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    _check_size(source, layout, path)
                    with os_faults(f"copying {path}"):
                        if not reflink(source, handle):
                            copy_range(source, handle, layout.size_bytes)
                    _check_unchanged(source, handle, layout, seen, path)
                finally:
                    os.close(source)
                self._commit(handle, staged, layout)
            finally:
                self._folder.discard(staged)

    def reference(self, path: str, layout: FileLayout, *, seen: Guard | None) -> None:
        """Keep where a file of the user lies, and how it looks.

        Raises:
            IntegrityError: It is not (or no longer) the file of this layout.
            InputError: Its path is no text.
        """
        if not path.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in path):
            raise InputError(f"{path!r} is not UTF-8, so it cannot be kept by reference")
        with os_faults(f"reading {path}"):
            source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            guard = Guard.of(source)
            _check_size(source, layout, path)
            _check_unchanged(source, source, layout, seen or guard, path)
            if seen is None:
                prove(source, layout.leaves, path)
                _check_unchanged(source, source, layout, guard, path)
        finally:
            os.close(source)
        with self._index.transaction(is_durable=True) as writer:
            insert_extent(writer, layout, kind="reference", path=path, guard=guard)

    def blob(self, cid: Cid, data: bytes | memoryview) -> None:
        """Keep one large block in a file of its own."""
        with self._folder.staged(cid, 0) as (handle, staged):
            try:
                with os_faults(f"writing block {cid}"):
                    pwrite_all(handle, data, 0)
                final = self._folder.publish(handle, staged, is_synced=False)
                with self._published(final), self._index.transaction() as writer:
                    guard, tick = Guard.of(handle), next_tick(writer)
                    self._on_commit(writer, tick)
                    row = (cid.raw, cid.multihash, "blob", final, 1, 1, *guard, boot_id(), tick)
                    extent = writer.execute(_INSERT, row).lastrowid
                    writer.execute(
                        "INSERT INTO ranges VALUES (?, ?, 0, ?, 0)",
                        (cid.multihash, extent, len(data)),
                    )
            finally:
                self._folder.discard(staged)

    def _commit(self, handle: int, staged: str, layout: FileLayout) -> None:
        final = self._folder.publish(handle, staged)
        with self._published(final), self._index.transaction(is_durable=True) as writer:
            insert_extent(writer, layout, kind="own", path=final, guard=Guard.of(handle))

    @contextmanager
    def _published(self, final: str) -> Iterator[None]:
        """Take the final name back when no row came to name it."""
        try:
            yield
        except BaseException:
            self._folder.discard(final)
            raise


_INSERT = (
    "INSERT INTO extents (root, multihash, kind, path, leaves, is_complete, size_bytes, mtime_ns,"
    " inode, device, boot, tick) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def insert_extent(
    writer: Connection, layout: FileLayout, *, kind: str, path: str, guard: Guard
) -> int:
    """Write the rows of a file: complete with all its leaves, or incoming with none yet."""
    is_complete = kind != "incoming"
    row = (
        layout.root.raw, layout.root.multihash, kind, path, len(layout.leaves), is_complete,
        guard.size_bytes, guard.mtime_ns if is_complete else None, guard.inode, guard.device,
        None if is_complete else boot_id(), next_tick(writer),
    )  # fmt: skip
    extent = writer.execute(_INSERT, row).lastrowid
    assert extent is not None
    if is_complete:
        writer.executemany(
            "INSERT INTO ranges VALUES (?, ?, ?, ?, ?)",
            (
                (leaf.cid.multihash, extent, leaf.offset, leaf.size_bytes, is_wrapped(leaf))
                for leaf in layout.leaves
            ),
        )
    return extent


def is_wrapped(leaf: Leaf) -> bool:
    """Whether the block of a leaf is more than its bytes in the file."""
    return leaf.cid.codec == Codec.DAG_PB


def payload_of(leaf: Leaf, data: bytes | memoryview) -> tuple[memoryview, bytes | None]:
    """The file bytes of a leaf, and the block itself where they do not tell it.

    Args:
        leaf: Which leaf.
        data: Its verified block, or its payload alone.

    Raises:
        BlockMismatchError: The data is not of the leaf's size.
        ContentFormatError: The block is no leaf of a file.
    """
    from ipfs_accelerate.content.dag import wrap_leaf
    from ipfs_accelerate.content.dag.unixfs import leaf_data

    payload, kept = memoryview(data), None
    if is_wrapped(leaf) and len(data) != leaf.size_bytes:
        payload = leaf_data(data, is_raw=False)
        kept = None if wrap_leaf(payload) == data else bytes(data)
    if len(payload) != leaf.size_bytes:
        raise BlockMismatchError(
            f"leaf {leaf.cid} holds {len(payload)} bytes, not {leaf.size_bytes}",
            details={"cid": str(leaf.cid), "size_bytes": len(data)},
        )
    return payload, kept


def prove(handle: int, leaves: Iterable[Leaf], path: str, *, is_blob: bool = False) -> None:
    """Hash ranges of an open file, which hold file bytes, or the block itself (``is_blob``).

    Raises:
        BlockMismatchError: One is not the leaf it should be.
        IntegrityError: The file is too short.
    """
    from ipfs_accelerate.content.dag import wrap_leaf

    for leaf in leaves:
        data = pread_exactly(handle, leaf.size_bytes, leaf.offset)
        if data is None:
            raise IntegrityError(f"{path} ends before byte {leaf.offset + leaf.size_bytes}")
        leaf.cid.verify(wrap_leaf(data) if is_wrapped(leaf) and not is_blob else data)


def check_layout(layout: FileLayout) -> None:
    """Refuse a layout with gaps, overlaps, wrong sums or leaves larger than blocks may be.

    Raises:
        ContentFormatError: Gaps, overlaps or a wrong sum.
        ContentLimitError: A leaf is larger than any block.
    """
    offset = 0
    for leaf in layout.leaves:
        if leaf.offset != offset or leaf.size_bytes < 0:
            raise ContentFormatError(
                f"leaf {leaf.cid} of {layout.root} begins at {leaf.offset}, not at {offset}"
            )
        if leaf.size_bytes > MAX_BLOCK_BYTES:
            raise ContentLimitError(f"leaf {leaf.cid} claims {leaf.size_bytes} bytes")
        offset += leaf.size_bytes
    if offset != layout.size_bytes:
        raise ContentFormatError(
            f"the leaves of {layout.root} hold {offset} bytes, not {layout.size_bytes}"
        )


def _check_size(source: int, layout: FileLayout, path: str) -> None:
    size_bytes = os.fstat(source).st_size
    if size_bytes != layout.size_bytes:
        raise IntegrityError(
            f"{path} has {size_bytes} bytes, not the {layout.size_bytes} of {layout.root}",
            hint="it changed since it was hashed; hash it again",
        )


def _check_unchanged(
    source: int, kept: int, layout: FileLayout, seen: Guard | None, path: str
) -> None:
    if seen is None:
        prove(kept, layout.leaves, path)
    elif not seen.still_holds(source):
        raise IntegrityError(
            f"{path} changed while it was added", hint="add it again once nobody writes to it"
        )
