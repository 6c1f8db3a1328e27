"""Gathering small writes into few transactions, without hiding them from the same process.

A write returns when it is in memory and visible to this process. A killed process loses at most
the last `WINDOW_NS` of them, and loses them whole.
"""

from __future__ import annotations

import os
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.content.blockstore.index import Index, next_tick
from ipfs_accelerate.errors import AccelerateError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

    from ipfs_accelerate.content.blockstore.journal import Journal
    from ipfs_accelerate.content.cid import Cid

__all__ = ["Batch", "Range"]

#: A transaction holds writes of at most this long, or this many of them.
WINDOW_NS = 50_000_000
_MOST_WRITES = 512
_MOST_BYTES = 8 * 2**20

_ADD_NODE = (  # of two names of the same bytes the one that has links is kept
    "INSERT INTO nodes (multihash, cid, tick, data) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (multihash) DO UPDATE SET tick = excluded.tick,"
    " cid = CASE WHEN substr(cid, 1, 2) = x'0155' THEN excluded.cid ELSE cid END"
)
_ADD_RANGE = "INSERT OR REPLACE INTO ranges VALUES (?, ?, ?, ?, ?)"
_TOUCH = "UPDATE extents SET tick = ? WHERE id = ?"
_TOUCH_NODE = "UPDATE nodes SET tick = ? WHERE multihash = ?"


class Range(NamedTuple):
    """Proved bytes: a row of the table of that name."""

    multihash: bytes
    extent: int
    offset: int
    size_bytes: int
    is_wrapped: bool


class _Writes:
    """What waits for the same transaction."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, tuple[Cid, bytes]] = {}
        self.ranges: dict[tuple[int, int], Range] = {}
        self.hashes: set[bytes] = set()
        self.touched: set[int | bytes] = set()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self.nodes) + len(self.ranges) + len(self.touched)

    def absorb(self, older: _Writes) -> None:
        """Take back what could not be committed."""
        self.nodes = older.nodes | self.nodes
        self.ranges = older.ranges | self.ranges
        self.hashes |= older.hashes
        self.touched |= older.touched
        self.size_bytes += older.size_bytes


class Batch:
    """Writes of one process on their way into the index.

    Args:
        index: Where they go.
        journal: Second copy of the nodes.
        on_commit: Runs inside each transaction, with the connection and the tick.
    """

    def __init__(
        self, index: Index, journal: Journal, on_commit: Callable[[Connection, int], None]
    ) -> None:
        self._index = index
        self._journal = journal
        self._on_commit = on_commit
        self._lock = Lock()
        self._committing = Lock()
        self._waiting = _Writes()
        self._flying = _Writes()
        self._wake = Event()
        self._stop = Event()
        self._thread: Thread | None = None
        self._failure: AccelerateError | None = None
        self._pid = os.getpid()

    def add_node(self, cid: Cid, data: bytes) -> None:
        """Queue a small block.

        Raises:
            StoreError: An earlier transaction in the background failed; its writes wait still.
        """
        self._check_open()
        with self._lock:
            self._waiting.nodes[cid.multihash] = (cid, data)
            self._waiting.size_bytes += len(data)
            is_full = self._is_full()
        self._after(is_full=is_full)

    def add_range(self, *added: Range) -> None:
        """Queue proved bytes of an extent, which are in the file already."""
        self._check_open()
        with self._lock:
            for one in added:
                self._waiting.ranges[one.extent, one.offset] = one
                self._waiting.hashes.add(one.multihash)
            is_full = self._is_full()
        self._after(is_full=is_full)

    def touch(self, used: int | bytes) -> None:
        """Queue that an extent (by its row) or a small block (by its multihash) was used."""
        self._check_open()
        with self._lock:
            self._waiting.touched.add(used)
        self._after(is_full=False)

    def node(self, multihash: bytes) -> bytes | None:
        """A small block that is still on its way."""
        waiting, flying = self._waiting, self._flying  # in this order: `flush` moves on
        found = waiting.nodes.get(multihash) or flying.nodes.get(multihash)
        return None if found is None else found[1]

    def has_range(self, multihash: bytes) -> bool:
        """Whether proved bytes of that block are still on their way."""
        waiting, flying = self._waiting, self._flying
        return multihash in waiting.hashes or multihash in flying.hashes

    def flush(self, *, is_durable: bool = False) -> None:
        """Commit everything queued so far.

        Raises:
            DiskFullError: No space; the writes stay queued.
            StoreError: The index refused; the writes stay queued.
        """
        with self._committing:
            with self._lock:
                self._flying, self._waiting = self._waiting, _Writes()
                flying = self._flying
            try:
                if len(flying):
                    self._commit(flying, is_durable=is_durable)
            except BaseException:
                with self._lock:
                    self._waiting.absorb(flying)
                    self._flying = _Writes()
                raise
            with self._lock:
                self._flying = _Writes()

    def close(self) -> None:
        """Commit what waits and end the background thread.

        Raises:
            StoreError: What waited could not be committed and is lost.
        """
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join()
        self.flush()

    def _check_open(self) -> None:
        if self._stop.is_set():
            raise StoreError("the block store is closed", hint="open it again")

    def _is_full(self) -> bool:
        return len(self._waiting) >= _MOST_WRITES or self._waiting.size_bytes >= _MOST_BYTES

    def _after(self, *, is_full: bool) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if is_full:
            self.flush()
        elif not self._wake.is_set():
            self._wake.set()
            with self._lock:
                if self._thread is None and not self._stop.is_set():
                    self._thread = Thread(target=self._run, name="blockstore-commit", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._stop.wait(WINDOW_NS / 1e9)
            self._wake.clear()
            try:
                self.flush()
            except AccelerateError as error:
                self._failure = error

    def _commit(self, writes: _Writes, *, is_durable: bool) -> None:
        with self._index.transaction(is_durable=is_durable) as writer:
            tick = next_tick(writer)
            self._on_commit(writer, tick)
            if writes.nodes:
                self._record(writer, writes)
                writer.executemany(
                    _ADD_NODE,
                    [(m, c.raw, tick, data) for m, (c, data) in writes.nodes.items()],
                )
            writer.executemany(_ADD_RANGE, self._known(writer, writes))
            for used in writes.touched:
                writer.execute(_TOUCH if isinstance(used, int) else _TOUCH_NODE, (tick, used))

    def _record(self, writer: Connection, writes: _Writes) -> None:
        look = "SELECT 1 FROM nodes WHERE multihash = ?"
        fresh = [b for m, b in writes.nodes.items() if not writer.execute(look, (m,)).fetchone()]
        if fresh:
            (end,) = writer.execute("SELECT value FROM meta WHERE key = 'journal'").fetchone()
            end = self._journal.append(fresh, end)
            writer.execute("UPDATE meta SET value = ? WHERE key = 'journal'", (end,))

    @staticmethod
    def _known(writer: Connection, writes: _Writes) -> list[Range]:
        """Ranges whose extent is still there: another process may have collected it."""
        look = "SELECT 1 FROM extents WHERE id = ?"
        wanted = {r.extent for r in writes.ranges.values()}
        alive = {e for e in wanted if writer.execute(look, (e,)).fetchone()}
        return [r for r in writes.ranges.values() if r.extent in alive]
