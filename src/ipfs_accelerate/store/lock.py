"""Shared and exclusive access to a ledger between processes and threads, with a deadline.

Two files stand beside the ledger. Everybody passes the *gate* one at a time and takes the *lock*
(shared or exclusive) inside it, so that a waiting writer keeps later readers out and cannot starve.
The kernel drops both when a process dies.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import DiskFullError, StoreError, StoreLockedError
from ipfs_accelerate.store.archive import NO_SPACE
from ipfs_accelerate.telemetry import Clock, MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Deadline", "LedgerLock"]

_POLL_NS = 2_000_000
_LOCK_TABLE = Path("/proc/locks")


class Deadline:
    """A moment on the clock by which something must have happened."""

    def __init__(self, timeout_s: float, clock: Clock | None = None) -> None:
        self._clock = clock or MonotonicClock()
        self._end_ns = self._clock.now_ns() + round(timeout_s * 1e9)

    def wait(self) -> bool:
        """Sleep for a poll interval; whether time was left to do so."""
        if self._clock.now_ns() >= self._end_ns:
            return False
        self._clock.sleep_ns(_POLL_NS)
        return True


class LedgerLock:
    """The lock of one ledger file."""

    def __init__(self, ledger: Path, *, timeout_s: float, clock: Clock | None = None) -> None:
        self._ledger = ledger
        self._timeout_s = timeout_s
        self._clock = clock

    @contextmanager
    def shared(self) -> Iterator[Deadline]:
        """Keep writers out.

        Raises:
            StoreLockedError: A writer held the ledger until the deadline.
        """
        with self._hold(fcntl.LOCK_SH) as deadline:
            yield deadline

    @contextmanager
    def exclusive(self) -> Iterator[Deadline]:
        """Keep everybody else out.

        Raises:
            StoreLockedError: Others held the ledger until the deadline.
        """
        with self._hold(fcntl.LOCK_EX) as deadline:
            yield deadline

    @contextmanager
    def _hold(self, mode: int) -> Iterator[Deadline]:
        deadline = Deadline(self._timeout_s, self._clock)
        gate = self._open(".gate")
        try:
            lock = self._open(".lock")
            try:
                self._acquire(gate, fcntl.LOCK_EX, deadline)
                self._acquire(lock, mode, deadline)
                fcntl.flock(gate, fcntl.LOCK_UN)
                yield deadline
            finally:
                os.close(lock)
        finally:
            os.close(gate)

    def _open(self, suffix: str) -> int:
        path = f"{self._ledger}{suffix}"
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError:
            pass  # a reader of somebody else's ledger can lock without writing
        except OSError as error:
            kind = DiskFullError if error.errno in NO_SPACE else StoreError
            raise kind(f"cannot create {path}: {error}") from error
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(
                f"cannot lock {self._ledger}: {error}",
                hint="a ledger needs its .lock and .gate files readable beside it",
            ) from error

    def _acquire(self, handle: int, mode: int, deadline: Deadline) -> None:
        while True:
            try:
                fcntl.flock(handle, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                if not deadline.wait():
                    raise self._locked(handle) from None
            else:
                return

    def _locked(self, handle: int) -> StoreLockedError:
        pids = _holders(handle)
        who = f"process {', '.join(map(str, pids))}" if pids else "another process"
        return StoreLockedError(
            f"{self._ledger} is in use by {who} since more than {self._timeout_s:g} s",
            hint="wait for it to finish, or raise the setting lock_timeout_s",
            details={"path": str(self._ledger), "pids": pids},
        )


def _holders(handle: int) -> list[int]:
    """Processes that hold a lock on an open file; empty where the kernel does not say.

    Source: proc(5), ``/proc/locks``: ``1: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> …``;
    a waiting entry has ``->`` in second place.
    """
    inode = str(os.fstat(handle).st_ino)
    try:
        lines = _LOCK_TABLE.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines]
    held = [f for f in fields if f[1] == "FLOCK" and f[5].rpartition(":")[2] == inode]
    return sorted({int(f[4]) for f in held if int(f[4]) > 0})
