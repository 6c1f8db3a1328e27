"""Hashing everything again: what is damaged leaves the index at once, then is healed if it can be.

Bits that rotted (the file looks untouched) are mended in place. A file that somebody changed is
never written to: its good leaves move to a new file and the missing ones are fetched.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.content.blocks import Leaf
from ipfs_accelerate.content.blockstore.adding import prove
from ipfs_accelerate.content.blockstore.guard import Guard
from ipfs_accelerate.content.blockstore.index import Index, note_damage
from ipfs_accelerate.content.blockstore.lookup import is_block
from ipfs_accelerate.content.cid import Cid, Codec, varint
from ipfs_accelerate.errors import IntegrityError

if TYPE_CHECKING:
    import numpy as np

    from ipfs_accelerate.content.blockstore.files import Folder

__all__ = ["BROKEN", "CheckReport", "Checking", "Extent"]

#: Condition of files that had all their blocks and have lost some.
BROKEN = "is_complete = 0 AND kind IN ('own', 'reference')"

_EXTENTS = (
    "SELECT id, root, kind, path, size_bytes, mtime_ns, inode, device, is_changed FROM extents"
)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    Attributes:
        blocks: Blocks hashed.
        size_bytes: Bytes hashed.
        damaged: Blocks that were not what they should be; out of use since.
        healed: Those of them, and of earlier checks, that are whole again.
        accepted: Files whose time or inode had changed while their bytes had not.
        rubbish: Files of killed processes that were removed.
        broken: Paths of files that lack blocks, found now or by an earlier check, and not healed.
    """

    blocks: int
    size_bytes: int
    damaged: tuple[Cid, ...]
    healed: tuple[Cid, ...]
    accepted: int
    rubbish: int
    broken: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether everything that was hashed is right, or right again, and every file whole."""
        healed = {cid.multihash for cid in self.healed}
        return not self.broken and all(cid.multihash in healed for cid in self.damaged)


class Extent(NamedTuple):
    """A row of a file.

    Attributes:
        is_changed: Somebody else wrote to it, so it is no more the store's to write to.
    """

    id: int
    root: Cid
    kind: str
    path: str
    guard: Guard
    is_changed: bool

    @classmethod
    def read(cls, index: Index, where: str, values: tuple[object, ...] = ()) -> list[Extent]:
        """The rows that fulfil a condition."""
        rows = index.rows(f"{_EXTENTS} WHERE {where} ORDER BY id", values)
        return [
            cls(row[0], Cid(row[1]), row[2], row[3], Guard(*row[4:8]), bool(row[8])) for row in rows
        ]


@dataclass
class _Tally:
    blocks: int = 0
    size_bytes: int = 0
    accepted: int = 0
    damaged: list[Cid] = field(default_factory=list)


class Checking:
    """Finds what is damaged and takes it out of use.

    Args:
        index: Rows.
        folder: Files.
        sample: Blocks hashed of each file that looks untouched; ``None`` hashes all.
        generator: Draws the sample.
    """

    def __init__(
        self,
        index: Index,
        folder: Folder,
        sample: int | None,
        generator: np.random.Generator | None,
    ) -> None:
        self._index = index
        self._folder = folder
        self._sample = sample
        self._generator = generator
        self.found = _Tally()

    def run(self) -> None:
        """Look at the index, hash the small blocks, then every file."""
        self._index.check()
        self._nodes()
        for extent in Extent.read(self._index, "1"):
            self._extent(extent)

    def broken(self) -> tuple[str, ...]:
        """Paths of the files that lack blocks."""
        found = Extent.read(self._index, BROKEN)
        return tuple(self._folder.absolute(extent.path) for extent in found)

    def _nodes(self) -> None:
        last = 0
        while rows := self._index.rows(
            "SELECT rowid, cid, data FROM nodes WHERE rowid > ? ORDER BY rowid LIMIT 256", (last,)
        ):
            last = rows[-1][0]
            bad = []
            for rowid, raw, data in rows:
                cid = Cid(raw)
                self._count(len(data))
                if not is_block(cid, data):
                    bad.append((rowid, raw))
                    self.found.damaged.append(cid)
            if bad:
                with self._index.transaction() as writer:
                    writer.executemany("DELETE FROM nodes WHERE rowid = ? AND cid = ?", bad)
                    note_damage(writer, [Cid(raw) for _, raw in bad])

    def _extent(self, extent: Extent) -> None:
        try:
            handle = os.open(self._folder.absolute(extent.path), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._lost(extent)
            return
        try:
            look = Guard.of(handle)
            is_same = extent.guard.still_holds(handle)
            bad = [
                leaf
                for leaf in self._leaves(extent, is_same=is_same)
                if not self._is_right(handle, leaf, extent)
            ]
            if bad:
                self._quarantine(extent, bad)
            if not is_same and extent.kind != "incoming" and look.still_holds(handle):
                self._accept(extent, look, has_bad=bool(bad))
        finally:
            os.close(handle)

    def _leaves(self, extent: Extent, *, is_same: bool) -> list[Leaf]:
        rows = self._index.rows(
            "SELECT multihash, offset, size_bytes, is_wrapped FROM ranges WHERE extent = ?"
            " ORDER BY offset",
            (extent.id,),
        )
        codec = extent.root.codec if extent.kind == "blob" else Codec.RAW
        leaves = [
            Leaf(_named(multihash, Codec.DAG_PB if is_wrapped else codec), offset, size_bytes)
            for multihash, offset, size_bytes, is_wrapped in rows
        ]
        if self._sample is None or not is_same or len(leaves) <= self._sample:
            return leaves
        assert self._generator is not None
        drawn = self._generator.choice(len(leaves), size=self._sample, replace=False)
        return [leaves[at] for at in sorted(drawn)]

    def _is_right(self, handle: int, leaf: Leaf, extent: Extent) -> bool:
        self._count(leaf.size_bytes)
        try:
            prove(handle, [leaf], extent.path, is_blob=extent.kind == "blob")
        except (IntegrityError, OSError):
            return False
        return True

    def _quarantine(self, extent: Extent, bad: list[Leaf]) -> None:
        with self._index.transaction() as writer:
            writer.executemany(
                "DELETE FROM ranges WHERE multihash = ? AND extent = ? AND offset = ?",
                [(leaf.cid.multihash, extent.id, leaf.offset) for leaf in bad],
            )
            note_damage(writer, [leaf.cid for leaf in bad])
            if extent.kind == "blob":
                writer.execute("DELETE FROM extents WHERE id = ?", (extent.id,))
            else:
                writer.execute("UPDATE extents SET is_complete = 0 WHERE id = ?", (extent.id,))
        self.found.damaged.extend(leaf.cid for leaf in bad)
        if extent.kind == "blob":
            self._folder.discard(extent.path)

    def _lost(self, extent: Extent) -> None:
        """The file is gone, unless it just moved to its final name."""
        leaves = self._leaves(extent, is_same=False)
        with self._index.transaction() as writer:
            row = (extent.id, extent.path)
            if extent.kind in {"blob", "incoming"}:
                sql = "DELETE FROM extents WHERE id = ? AND path = ?"
                gone = writer.execute(sql, row).rowcount
            else:
                sql = "UPDATE extents SET is_complete = 0 WHERE id = ? AND path = ?"
                gone = writer.execute(sql, row).rowcount
                if gone:
                    writer.execute("DELETE FROM ranges WHERE extent = ?", (extent.id,))
            if gone:
                note_damage(writer, [leaf.cid for leaf in leaves])
        if gone:
            self.found.damaged.extend(leaf.cid for leaf in leaves)

    def _accept(self, extent: Extent, look: Guard, *, has_bad: bool) -> None:
        with self._index.transaction() as writer:
            writer.execute(
                "UPDATE extents SET size_bytes = ?, mtime_ns = ?, inode = ?, device = ?,"
                " is_changed = is_changed OR ? WHERE id = ? AND path = ?",
                (*look, has_bad, extent.id, extent.path),
            )
        self.found.accepted += not has_bad

    def _count(self, size_bytes: int) -> None:
        self.found.blocks += 1
        self.found.size_bytes += size_bytes


def _named(multihash: bytes, codec: int) -> Cid:
    return Cid(b"\x01" + varint(codec) + multihash)
