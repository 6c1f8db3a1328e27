"""The index: which multihash lies where. One SQLite file in WAL mode, shared by processes.

Readers borrow connections from a pool and never wait for a writer; writers of one process take
turns on one connection, writers of several processes wait for each other (SQLite's own lock).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections import deque
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.content.blockstore.faults import REBUILD_HINT, os_faults, sqlite_fault
from ipfs_accelerate.content.cid import Codec
from ipfs_accelerate.errors import SchemaTooNewError, StoreCorruptError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ipfs_accelerate.content.cid import Cid


__all__ = ["FORMAT", "SAME_FILE", "Index", "file_key", "next_tick", "note_damage"]

#: Condition on `extents` for the files of one root, with the values of `file_key`.
SAME_FILE = "multihash = ? AND (substr(root, 1, 2) = x'0155') = ?"

#: Version of the schema below and of the folder's shape.
FORMAT = 1

# `tick` is a logical clock: one per transaction, so "least recently used" needs no wall clock.
# A row of `ranges` says: these bytes were proved to be (the payload of) that block.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nodes (
    multihash BLOB NOT NULL UNIQUE, cid BLOB NOT NULL, tick INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS extents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    root BLOB NOT NULL, multihash BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('own', 'reference', 'incoming', 'blob')),
    path TEXT NOT NULL, leaves INTEGER NOT NULL, is_complete INTEGER NOT NULL,
    is_changed INTEGER NOT NULL DEFAULT 0,
    size_bytes INTEGER NOT NULL, mtime_ns INTEGER, inode INTEGER NOT NULL,
    device INTEGER NOT NULL,
    boot TEXT, tick INTEGER NOT NULL, sha256 BLOB);
CREATE INDEX IF NOT EXISTS extents_by_multihash ON extents (multihash);
CREATE TABLE IF NOT EXISTS ranges (
    multihash BLOB NOT NULL, extent INTEGER NOT NULL REFERENCES extents (id) ON DELETE CASCADE,
    offset INTEGER NOT NULL, size_bytes INTEGER NOT NULL, is_wrapped INTEGER NOT NULL,
    PRIMARY KEY (multihash, extent, offset)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ranges_by_extent ON ranges (extent);
CREATE TABLE IF NOT EXISTS pins (
    name TEXT NOT NULL, cid BLOB NOT NULL, is_recursive INTEGER NOT NULL,
    PRIMARY KEY (name, cid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    holder TEXT NOT NULL, root BLOB NOT NULL, tick INTEGER NOT NULL,
    PRIMARY KEY (holder, root)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS damaged (cid BLOB PRIMARY KEY) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('format', 1), ('tick', 0), ('journal', 0);
"""

#: What the module raises; a damaged file makes it fail to decode text, its own messages too.
_FAULTS = (sqlite3.Error, UnicodeDecodeError)


class Index:
    """One index file.

    Args:
        path: The SQLite file; created when absent.
        timeout_s: Longest wait for writers of other processes.

    Raises:
        StoreCorruptError: The file is not an index.
        SchemaTooNewError: A newer version wrote it.
    """

    def __init__(self, path: Path, *, timeout_s: float = 60.0) -> None:
        self.path = path
        self._timeout_s = timeout_s
        self._pool: deque[sqlite3.Connection] = deque()
        self._turn = Lock()
        self._is_closed = False
        with self._alone():
            self._writer = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._writer.close()
                raise

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """Everything a query finds, as committed by any process so far.

        Raises:
            StoreCorruptError: The index is damaged.
            StoreError: It cannot be read.
        """
        try:
            reader = self._pool.pop()
        except IndexError:
            reader = self._connect()
        try:
            return reader.execute(sql, values).fetchall()
        except _FAULTS as error:
            raise sqlite_fault(error, self.path) from error
        finally:
            self._pool.append(reader)

    @contextmanager
    def transaction(self, *, is_durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Write all of the body or nothing.

        Args:
            is_durable: Survives a power loss once this returns, not only a killed process.

        Raises:
            DiskFullError: There is no space for it.
            StoreLockedError: Other processes wrote longer than the time-out.
            StoreCorruptError: The index is damaged.
        """
        with self._turn:
            writer = self._writer
            try:
                writer.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
                writer.execute("BEGIN IMMEDIATE")
                yield writer
                writer.execute("COMMIT")
            except BaseException as error:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                if isinstance(error, _FAULTS):
                    raise sqlite_fault(error, self.path) from error
                raise

    def check(self) -> None:
        """Look at the whole structure of the file.

        Raises:
            StoreCorruptError: It is damaged.
        """
        said = self.rows("PRAGMA quick_check(1)")
        if said != [("ok",)]:
            raise StoreCorruptError(
                f"the index {self.path} is damaged: {said[0][0]}", hint=REBUILD_HINT
            )

    def close(self) -> None:
        """Drop every connection."""
        with self._turn, self._alone():
            self._is_closed = True
            while self._pool:
                self._pool.pop().close()
            self._writer.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Take turns with other processes that open or close an index.

        SQLite does not wait for them while it turns WAL on.
        """
        with os_faults(f"locking {self.path}"):
            handle = os.open(f"{self.path}.opening", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _connect(self) -> sqlite3.Connection:
        if self._is_closed:
            raise StoreError("the block store is closed", hint="open it again")
        try:
            link = sqlite3.connect(
                self.path, timeout=self._timeout_s, isolation_level=None, check_same_thread=False
            )
        except _FAULTS as error:
            raise sqlite_fault(error, self.path) from error
        try:
            link.execute("PRAGMA foreign_keys = ON")
            link.execute("PRAGMA cache_size = -16000")
            if link.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                link.execute("PRAGMA journal_mode = WAL")
        except _FAULTS as error:
            link.close()
            raise sqlite_fault(error, self.path) from error
        return link

    def _prepare(self) -> None:
        with self.transaction() as writer:
            for statement in _SCHEMA.split(";\n"):
                writer.execute(statement)
            found = writer.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        if found is None:
            raise StoreCorruptError(f"{self.path} names no format", hint=REBUILD_HINT)
        if found[0] > FORMAT:
            raise SchemaTooNewError(
                f"{self.path} has format {found[0]}; this version knows {FORMAT}",
                hint="upgrade ipfs-accelerate",
            )


def note_damage(writer: sqlite3.Connection, cids: Iterable[Cid]) -> None:
    """Remember blocks that were taken out of use, so that a later check can heal them."""
    writer.executemany("INSERT OR IGNORE INTO damaged VALUES (?)", [(cid.raw,) for cid in cids])


def file_key(root: Cid) -> tuple[bytes, bool]:
    """What tells files apart: the bytes of the root, and whether they are the file itself.

    A raw CID with the hash of a file's root node names that node's bytes, not the file.
    """
    return root.multihash, root.codec == Codec.RAW


def next_tick(writer: sqlite3.Connection) -> int:
    """Advance the logical clock inside a transaction."""
    row = writer.execute("UPDATE meta SET value = value + 1 WHERE key = 'tick' RETURNING value")
    return int(row.fetchone()[0])
