"""What live processes are busy with, so that nobody collects it from under them.

A process that writes holds a locked file; the kernel unlocks it when the process dies. Its rows
say which roots it works on, and since which tick: everything kept or used since then stays.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.content.blockstore.index import Index, next_tick

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

    from ipfs_accelerate.content.blockstore.files import Folder
    from ipfs_accelerate.content.cid import Cid

__all__ = ["Lease", "Leases"]

#: Stands for a process that keeps blocks without saying for which root.
_SESSION = b""
_ADD = "INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (holder, root) DO NOTHING"


class Lease(NamedTuple):
    """One row: who works on which root (empty: on any) since which tick."""

    holder: str
    root: bytes
    tick: int


class Leases:
    """The leases of one opened store, and a view on those of others."""

    def __init__(self, index: Index, folder: Folder) -> None:
        self.holder = secrets.token_hex(8)
        self._index = index
        self._folder = folder
        self._lock = Lock()
        self._handle: int | None = None
        self._counts: dict[bytes, int] = {}

    def begin_session(self, writer: Connection, tick: int) -> None:
        """Note, within a transaction that keeps blocks, that this process is at work."""
        self._hold()
        writer.execute(_ADD, (self.holder, _SESSION, tick))

    def renew_session(self, writer: Connection) -> None:
        """Let go of what was kept so far for no particular root."""
        writer.execute(
            "UPDATE leases SET tick = ? WHERE holder = ? AND root = ?",
            (next_tick(writer), self.holder, _SESSION),
        )

    def acquire(self, root: Cid) -> Callable[[], None]:
        """Protect a root, and all that is kept from now on, until the result is called."""
        self._hold()
        with self._lock:
            first = self._counts.get(root.raw, 0) == 0
            self._counts[root.raw] = self._counts.get(root.raw, 0) + 1
        if first:
            with self._index.transaction() as writer:
                writer.execute(_ADD, (self.holder, root.raw, next_tick(writer)))
        return lambda: self._release(root.raw)

    def live(self, writer: Connection) -> list[Lease]:
        """Leases of processes that live; the rows of dead ones are dropped."""
        alive: dict[str, bool] = {self.holder: True}
        found = []
        for row in writer.execute("SELECT holder, root, tick FROM leases").fetchall():
            lease = Lease(*row)
            if lease.holder not in alive:
                alive[lease.holder] = self._is_alive(lease.holder)
            if alive[lease.holder]:
                found.append(lease)
        for holder, is_alive in alive.items():
            if not is_alive:
                writer.execute("DELETE FROM leases WHERE holder = ?", (holder,))
                self._folder.discard(f"leases/{holder}")
        return found

    def tidy(self) -> None:
        """Remove the files of processes that died."""
        for path in list(self._folder.listing("leases")):
            with self._folder.abandoned(path) as is_dead:
                if is_dead:
                    self._folder.discard(path)

    def close(self) -> None:
        """Give up every lease."""
        if self._handle is None:
            return
        with self._index.transaction() as writer:
            writer.execute("DELETE FROM leases WHERE holder = ?", (self.holder,))
        self._folder.discard(f"leases/{self.holder}")
        os.close(self._handle)
        self._handle = None

    def _release(self, root: bytes) -> None:
        with self._lock:
            self._counts[root] -= 1
            last = self._counts[root] == 0
        if last and self._handle is not None:
            with self._index.transaction() as writer:
                writer.execute(
                    "DELETE FROM leases WHERE holder = ? AND root = ?", (self.holder, root)
                )

    def _hold(self) -> None:
        with self._lock:
            while self._handle is None:
                path = self._folder.absolute(f"leases/{self.holder}")
                with os_faults(f"creating {path}"):
                    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                    fcntl.flock(handle, fcntl.LOCK_EX)
                if os.fstat(handle).st_nlink:
                    self._handle = handle
                else:  # tidied away before it was locked
                    os.close(handle)

    def _is_alive(self, holder: str) -> bool:
        with self._folder.abandoned(f"leases/{holder}") as is_dead:
            if is_dead:
                return False
        with suppress(FileNotFoundError):
            os.stat(self._folder.absolute(f"leases/{holder}"))  # noqa: PTH116 - a str
            return True
        return False
