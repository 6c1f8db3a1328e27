"""Garbage collection: unpinned roots go, least recently used first, until a quota is met.

Marking and deleting rows is one transaction, so other processes see all of it or nothing, and
whatever they keep meanwhile comes after it. Files go only once no row names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.blockstore.marking import Graph, Marks
from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.errors import QuotaExceededError

if TYPE_CHECKING:
    from sqlite3 import Connection

    from ipfs_accelerate.content.blockstore.files import Folder
    from ipfs_accelerate.content.blockstore.index import Index
    from ipfs_accelerate.content.blockstore.journal import Journal
    from ipfs_accelerate.content.blockstore.leases import Leases

__all__ = ["CollectReport", "Collecting", "usage_bytes"]


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What a collection did.

    Attributes:
        before_bytes: What the store held; an unfinished file counts in full.
        after_bytes: What it holds now.
        removed: Roots that went, least recently used first.
        removed_blocks: Small blocks that went.
        removed_files: Files that went, unfinished ones included; files of the user stay.
        rubbish: Files of killed processes that went.
    """

    before_bytes: int
    after_bytes: int
    removed: tuple[Cid, ...]
    removed_blocks: int
    removed_files: int
    rubbish: int


class Collecting:
    """Decides what goes, and removes it."""

    def __init__(self, index: Index, folder: Folder, journal: Journal, leases: Leases) -> None:
        self._index = index
        self._folder = folder
        self._journal = journal
        self._leases = leases

    def run(self, quota_bytes: int | None) -> CollectReport:
        """See `FileBlockStore.collect`."""
        self._index.check()  # rows that are lost to damage would make rubbish of good files
        with self._index.transaction(is_durable=True) as writer:
            before = usage_bytes(writer)
            graph = Graph(writer, self._folder)
            kept = self._protected(writer, graph)
            if quota_bytes is not None and kept.size_bytes > quota_bytes:
                raise QuotaExceededError(
                    f"pins and work in progress hold {kept.size_bytes} bytes,"
                    f" the quota is {quota_bytes}",
                    hint="unpin something, or raise the quota; nothing was removed",
                    details={"held_bytes": kept.size_bytes, "quota_bytes": quota_bytes},
                )
            removed = _choose(graph, kept, quota_bytes)
            blocks, files = self._delete(writer, kept)
            self._leases.renew_session(writer)
            after = usage_bytes(writer)
        for path in files:
            self._folder.discard(path)
        return CollectReport(
            before, after, tuple(removed), blocks, len(files), self.remove_rubbish()
        )

    def remove_rubbish(self, folders: tuple[str, ...] = ("files", "incoming")) -> int:
        """Remove files that no row names and no process works on; returns how many."""
        removed = 0
        for path in [path for folder in folders for path in self._folder.listing(folder)]:
            if self._is_named(path):
                continue
            with self._folder.abandoned(path) as is_abandoned:
                if is_abandoned and not self._is_named(path):
                    self._folder.discard(path)
                    removed += 1
        return removed

    def _is_named(self, path: str) -> bool:
        return bool(self._index.rows("SELECT 1 FROM extents WHERE path = ?", (path,)))

    def _protected(self, writer: Connection, graph: Graph) -> Marks:
        kept = Marks()
        for cid, is_recursive in writer.execute("SELECT cid, is_recursive FROM pins").fetchall():
            kept.add(graph.reach(Cid(cid), kept, is_recursive=bool(is_recursive)))
        since = None
        for lease in self._leases.live(writer):
            if lease.root:
                kept.add(graph.reach(Cid(lease.root), kept))
            if lease.root or lease.holder != self._leases.holder:
                since = lease.tick if since is None else min(since, lease.tick)
        if since is not None:
            for cid in _used_since(writer, since):
                kept.add(graph.reach(cid, kept))
        return kept

    def _delete(self, writer: Connection, kept: Marks) -> tuple[int, list[str]]:
        writer.execute("CREATE TEMP TABLE IF NOT EXISTS kept (multihash BLOB PRIMARY KEY)")
        writer.execute("DELETE FROM kept")
        writer.executemany("INSERT INTO kept VALUES (?)", ((m,) for m in kept.nodes))
        blocks = writer.execute(
            "DELETE FROM nodes WHERE multihash NOT IN (SELECT multihash FROM kept)"
        ).rowcount
        writer.execute("DELETE FROM kept")
        rows = writer.execute("SELECT id, path, kind FROM extents").fetchall()
        gone = [row for row in rows if row[0] not in kept.extents]
        writer.executemany("DELETE FROM extents WHERE id = ?", ((row[0],) for row in gone))
        if blocks:
            nodes = writer.execute("SELECT cid, data FROM nodes")
            end = self._journal.replace((Cid(cid), data) for cid, data in nodes)
            writer.execute("UPDATE meta SET value = ? WHERE key = 'journal'", (end,))
        return blocks, [path for _, path, kind in gone if kind != "reference"]


def usage_bytes(reader: Connection) -> int:
    """Bytes a store holds on disk; an unfinished file counts in full."""
    (nodes,) = reader.execute("SELECT COALESCE(SUM(LENGTH(data)), 0) FROM nodes").fetchone()
    (files,) = reader.execute(
        "SELECT COALESCE(SUM(size_bytes), 0) FROM extents WHERE kind != 'reference'"
    ).fetchone()
    return int(nodes) + int(files)


def _choose(graph: Graph, kept: Marks, quota_bytes: int | None) -> list[Cid]:
    """Add to ``kept`` the roots used last, as many as fit; returns the others."""
    reached = [(graph.reach(root, Marks()).tick, root) for root in graph.roots()]
    reached.sort(key=lambda found: (found[0], found[1].raw))
    while reached and quota_bytes is not None:
        more = graph.reach(reached[-1][1], kept)
        if kept.size_bytes + more.size_bytes > quota_bytes:
            break
        kept.add(more)
        reached.pop()
    return [root for _, root in reached if _is_leaving(root, graph, kept)]


def _is_leaving(root: Cid, graph: Graph, kept: Marks) -> bool:
    found = graph.reach(root, kept, is_recursive=False)
    return bool(found.nodes or found.extents)


def _used_since(writer: Connection, tick: int) -> list[Cid]:
    rows = writer.execute("SELECT cid FROM nodes WHERE tick >= ?", (tick,)).fetchall()
    rows += writer.execute("SELECT root FROM extents WHERE tick >= ?", (tick,)).fetchall()
    return [Cid(raw) for (raw,) in rows]
