"""The graph of what is kept: which blocks and files a root needs, and what no block links to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.errors import ContentFormatError

if TYPE_CHECKING:
    from sqlite3 import Connection

    from ipfs_accelerate.content.blockstore.files import Folder

__all__ = ["Graph", "Marks"]

_FILES = "SELECT id, size_bytes, kind, tick, is_complete FROM extents WHERE multihash = ?"
_HOLDERS = (
    "SELECT e.id, e.size_bytes, e.kind, e.tick, e.path FROM ranges r"
    " JOIN extents e ON e.id = r.extent WHERE r.multihash = ? ORDER BY e.is_complete DESC, e.id"
)
_NODE = "SELECT data, tick FROM nodes WHERE multihash = ?"


@dataclass
class Marks:
    """What is to stay.

    Attributes:
        nodes: Multihashes of small blocks.
        extents: Rows of files.
        size_bytes: Bytes on disk of all of it; files of the user count nothing.
        tick: When any of it was last used.
    """

    nodes: set[bytes] = field(default_factory=set)
    extents: set[int] = field(default_factory=set)
    size_bytes: int = 0
    tick: int = 0

    def add(self, other: Marks) -> None:
        """Take over what another one found beyond this one."""
        self.nodes |= other.nodes
        self.extents |= other.extents
        self.size_bytes += other.size_bytes


class Graph:
    """Reads the graph inside one transaction, so that it cannot move."""

    def __init__(self, reader: Connection, folder: Folder) -> None:
        self._reader = reader
        self._folder = folder

    def reach(self, root: Cid, kept: Marks, *, is_recursive: bool = True) -> Marks:
        """What a root needs beyond what is kept already."""
        found = Marks()
        pending = [(root, False)]
        seen: set[bytes] = set()
        while pending:
            cid, is_below_file = pending.pop()
            if is_below_file and cid.codec == Codec.RAW:
                continue  # a leaf: its file holds it
            if cid.multihash in seen:
                continue
            block, is_file = self._visit(cid, kept, found, is_below_file=is_below_file)
            if block is None or not is_recursive:
                continue
            seen.add(cid.multihash)
            pending.extend((link, is_file) for link in _links(cid, block))
        return found

    def roots(self) -> list[Cid]:
        """Everything kept that nothing kept links to, in no order."""
        rows = self._reader.execute("SELECT multihash, cid FROM nodes").fetchall()
        rows += self._reader.execute("SELECT multihash, root FROM extents").fetchall()
        names = {multihash: Cid(raw) for multihash, raw in rows}
        linked: set[bytes] = set()
        for multihash, data in self._parents():
            for link in _links(names[multihash], data):
                if link.multihash in names:
                    linked.add(link.multihash)
        return [cid for multihash, cid in names.items() if multihash not in linked]

    def _parents(self) -> list[tuple[bytes, bytes]]:
        found = self._reader.execute(
            "SELECT multihash, data FROM nodes WHERE substr(cid, 1, 2) != x'0155'"
        ).fetchall()
        blobs = self._reader.execute(
            "SELECT multihash, path FROM extents"
            " WHERE kind = 'blob' AND substr(root, 1, 2) != x'0155'"
        )
        return found + [(multihash, self._blob(path)) for multihash, path in blobs]

    def _visit(
        self, cid: Cid, kept: Marks, found: Marks, *, is_below_file: bool
    ) -> tuple[bytes | None, bool]:
        """Mark one block.

        Returns:
            Its bytes where they may hold links, and whether a file holds all that is below it.
        """
        files = [row for row in self._reader.execute(_FILES, (cid.multihash,)) if row[2] != "blob"]
        is_whole = any(row[4] for row in files)
        for extent, size_bytes, kind, tick, is_complete in files:
            if is_complete or kind == "incoming" or not is_whole:
                _mark_extent(extent, size_bytes, kind, tick, kept, found)
        node = self._reader.execute(_NODE, (cid.multihash,)).fetchone()
        if node is not None:
            found.tick = max(found.tick, node[1])
            if cid.multihash not in kept.nodes and cid.multihash not in found.nodes:
                found.nodes.add(cid.multihash)
                found.size_bytes += len(node[0])
            return node[0], is_below_file or is_whole
        if is_whole or is_below_file:
            return None, True
        return self._hold(cid, kept, found), False

    def _hold(self, cid: Cid, kept: Marks, found: Marks) -> bytes | None:
        """Keep one file that holds a block, preferably one that stays anyway."""
        holders = self._reader.execute(_HOLDERS, (cid.multihash,)).fetchall()
        if not holders:
            return None
        staying = kept.extents | found.extents if len(holders) > 1 else set()
        extent, size_bytes, kind, tick, path = next(
            (row for row in holders if row[0] in staying), holders[0]
        )
        _mark_extent(extent, size_bytes, kind, tick, kept, found)
        return self._blob(path) if kind == "blob" and cid.codec != Codec.RAW else None

    def _blob(self, path: str) -> bytes:
        try:
            return Path(self._folder.absolute(path)).read_bytes()
        except OSError:
            return b""


def _mark_extent(
    extent: int, size_bytes: int, kind: str, tick: int, kept: Marks, found: Marks
) -> None:
    found.tick = max(found.tick, tick)
    if extent not in kept.extents and extent not in found.extents:
        found.extents.add(extent)
        found.size_bytes += 0 if kind == "reference" else size_bytes


def _links(cid: Cid, block: bytes) -> tuple[Cid, ...]:
    from ipfs_accelerate.content.dag import links_of

    try:
        return links_of(cid, block)
    except ContentFormatError:  # a block that is not of its codec links to nothing
        return ()
