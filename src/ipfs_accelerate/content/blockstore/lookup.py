"""Finding blocks: in memory, in the index, in ranges of files that nobody has changed since."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.content.blockstore.files import pread_exactly
from ipfs_accelerate.content.blockstore.guard import Guard, boot_id
from ipfs_accelerate.content.blockstore.index import Index, note_damage
from ipfs_accelerate.errors import IntegrityError

if TYPE_CHECKING:
    from ipfs_accelerate.content.blockstore.batch import Batch
    from ipfs_accelerate.content.blockstore.files import Folder
    from ipfs_accelerate.content.cid import Cid

__all__ = ["Location", "Lookup", "Place"]

_PLACES = (
    "SELECT e.path, e.size_bytes, e.mtime_ns, e.inode, e.device, r.offset, r.size_bytes,"
    " r.is_wrapped, e.boot, e.id, e.kind"
    " FROM ranges r JOIN extents e ON e.id = r.extent WHERE r.multihash = ?"
    " ORDER BY e.is_complete DESC LIMIT 8"
)

_HAS = (  # one row at least: one look tells of both kinds
    "SELECT EXISTS (SELECT 1 FROM nodes WHERE multihash = ?1), e.path, e.size_bytes, e.mtime_ns,"
    " e.inode, e.device, e.boot FROM (SELECT 1) LEFT JOIN ranges r ON r.multihash = ?1"
    " LEFT JOIN extents e ON e.id = r.extent LIMIT 8"
)


class Location(NamedTuple):
    """Where the bytes of a block lie as they are, for `os.sendfile` or a memory map.

    Open it at once: after a garbage collection the path may be gone (`FileNotFoundError`: use
    `FileBlockStore.get`). An open file stays right.

    Attributes:
        path: Absolute.
        offset: First byte.
        size_bytes: Bytes of the block.
    """

    path: str
    offset: int
    size_bytes: int


class Place(NamedTuple):
    """A row that claims to hold a block."""

    path: str
    file_bytes: int
    mtime_ns: int | None
    inode: int
    device: int
    offset: int
    size_bytes: int
    is_wrapped: int
    boot: str | None
    extent: int
    kind: str

    @property
    def guard(self) -> Guard:
        """What the file must look like."""
        return Guard(self.file_bytes, self.mtime_ns, self.inode, self.device)

    @property
    def is_doubtful(self) -> bool:
        """Bytes that were not synced when the machine last went down."""
        return self.boot is not None and self.boot != boot_id()


class Lookup:
    """The reading half of a store.

    Args:
        index: Committed rows.
        folder: The files.
        batch: Rows on their way.
        verify_reads: Hash file ranges again on every read.
    """

    def __init__(self, index: Index, folder: Folder, batch: Batch, *, verify_reads: bool) -> None:
        self._index = index
        self._folder = folder
        self._batch = batch
        self._verify_reads = verify_reads

    def node(self, cid: Cid) -> bytes | None:
        """A small block, proved; a damaged one is taken out of use."""
        multihash = cid.multihash
        data = self._batch.node(multihash)
        if data is not None:
            return data
        rows = self._index.rows("SELECT data FROM nodes WHERE multihash = ?", (multihash,))
        if not rows or is_block(cid, rows[0][0]):
            return rows[0][0] if rows else None
        with self._index.transaction() as writer:
            writer.execute("DELETE FROM nodes WHERE multihash = ?", (multihash,))
            note_damage(writer, [cid])
        return None

    def has(self, cid: Cid) -> bool:
        """Whether the block is here, in a file that still looks as when its bytes were proved."""
        multihash = cid.multihash
        if self._batch.node(multihash) is not None or self._batch.has_range(multihash):
            return True
        is_claimed = False
        for is_node, path, *guard, boot in self._index.rows(_HAS, (multihash,)):
            if is_node:
                return True
            if path is None:
                break
            is_claimed = True
            is_sure = boot is None or boot == boot_id()
            if is_sure and Guard(*guard).still_holds(self._folder.absolute(path)):
                return True
        return is_claimed and self.place(cid) is not None

    def leaf(
        self, cid: Cid, *, besides: int | None = None, is_verified: bool = False
    ) -> bytes | None:
        """A block out of a range of a file; what does not hold is passed over.

        Args:
            cid: The block.
            besides: An extent not to look into.
            is_verified: Hash the bytes whatever the settings.
        """
        found = self._first(cid, besides, is_verified=is_verified or self._verify_reads)
        return None if found is None else found[1]

    def place(self, cid: Cid) -> Place | None:
        """The first range whose file still looks as when its bytes were proved."""
        if self._batch.has_range(cid.multihash):
            self._batch.flush()
        seen: list[Place] = []
        while (places := self._places(cid)) != seen:
            for place in places:
                if place.is_doubtful:
                    if self._read(cid, place, is_verified=True) is not None:
                        return place
                elif place.guard.still_holds(self._folder.absolute(place.path)):
                    return place
            seen = places
        return None

    def location(self, cid: Cid) -> Location | None:
        """Where the block lies unwrapped in a file."""
        place = self.place(cid)
        if place is None or place.is_wrapped:
            return None
        return Location(self._folder.absolute(place.path), place.offset, place.size_bytes)

    def _first(
        self, cid: Cid, besides: int | None, *, is_verified: bool
    ) -> tuple[Place, bytes] | None:
        if self._batch.has_range(cid.multihash):
            self._batch.flush()
        seen: list[Place] = []
        while (places := self._places(cid)) != seen:  # again where a file moved meanwhile
            for place in places:
                if place.extent == besides:
                    continue
                data = self._read(cid, place, is_verified=is_verified)
                if data is not None:
                    return place, data
            seen = places
        return None

    def _places(self, cid: Cid) -> list[Place]:
        return [Place(*row) for row in self._index.rows(_PLACES, (cid.multihash,))]

    def _read(self, cid: Cid, place: Place, *, is_verified: bool) -> bytes | None:
        from ipfs_accelerate.content.dag import wrap_leaf

        try:
            handle = os.open(self._folder.absolute(place.path), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if not place.guard.still_holds(handle):
                return None
            data = pread_exactly(handle, place.size_bytes, place.offset)
        except OSError:  # a bad sector is a missing block
            return None
        finally:
            os.close(handle)
        if data is None:
            return None
        block = wrap_leaf(data) if place.is_wrapped else data
        must_verify = is_verified or place.is_doubtful or place.kind == "blob"
        if not must_verify or is_block(cid, block):
            return block
        self._quarantine(cid, place)
        return None

    def _quarantine(self, cid: Cid, place: Place) -> None:
        """Take proved bytes that are no more what they were out of use."""
        with self._index.transaction() as writer:
            writer.execute(
                "DELETE FROM ranges WHERE multihash = ? AND extent = ? AND offset = ?",
                (cid.multihash, place.extent, place.offset),
            )
            writer.execute("UPDATE extents SET is_complete = 0 WHERE id = ?", (place.extent,))
            note_damage(writer, [cid])


def is_block(cid: Cid, data: bytes) -> bool:
    """Whether these bytes are the block of this name."""
    try:
        cid.verify(data)
    except IntegrityError:
        return False
    return True
