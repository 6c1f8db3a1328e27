"""Loaded sessions shared between callers, within a memory budget."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self, cast

from ipfs_accelerate.errors import DeadlineExceededError, InferenceError, MemoryLimitError
from ipfs_accelerate.inference._pool_core import (
    Decision,
    Entry,
    Grant,
    Load,
    PoolCore,
    Refuse,
    Wait,
)
from ipfs_accelerate.telemetry import MonotonicClock, observe_process

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from types import TracebackType

    from ipfs_accelerate.runtimes import Session

__all__ = ["Lease", "PoolStats", "ResourcePool", "SessionKey"]

logger = logging.getLogger(__name__)


class SessionKey(NamedTuple):
    """What makes two sessions the same.

    Attributes:
        identity: Of the artifact.
        target: As text.
        component: Which graph.
        options: Further load options, hashable.
    """

    identity: str
    target: str
    component: str = "model"
    options: Hashable = None

    @property
    def group(self) -> Hashable:
        """Components of one model on one target belong together."""
        return self.identity, self.target, self.options


@dataclass(frozen=True, slots=True)
class PoolStats:
    """Counters since the pool was made, and its state now.

    Attributes:
        sessions: Loaded now.
        leases: Held now.
        used_bytes: Memory the loaded sessions take, by the pool's account.
        budget_bytes: What they may take; ``None`` for no limit.
        loads: Sessions loaded.
        hits: Leases granted on a session that was loaded already; repeated calls with tensors
            take none and are not counted.
        evictions: Sessions closed to make room.
        failures: Loads that raised.
        accounts: Session → (bytes, how they were found: ``runtime``, ``rss`` or ``files``).
    """

    sessions: int
    leases: int
    used_bytes: int
    budget_bytes: int | None
    loads: int
    hits: int
    evictions: int
    failures: int
    accounts: dict[str, tuple[int, str]]


class Lease:
    """The right to use a session until ``close``; a context manager that yields the session."""

    __slots__ = ("_pool", "key", "session")

    def __init__(self, pool: ResourcePool, key: SessionKey, session: Session) -> None:
        self._pool: ResourcePool | None = pool
        self.key = key
        self.session = session

    def close(self) -> None:
        """Give the session back; idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.leave(self.key)

    def __enter__(self) -> Session:
        return self.session

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Pending:
    """One load in progress; those who wait for it share its error."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: BaseException | None = None


class ResourcePool:
    """Shares loaded sessions by model, target, component and options. Safe for threads.

    A session is loaded once however many threads ask; those who waited share its error if it
    fails. Sessions that nobody leases stay loaded until the memory is needed
    (least recently used first), or go at once in low-memory mode.

    Args:
        budget_bytes: Memory the sessions may take; ``None`` for half of the machine's.
        low_memory: Keep at most one model, and only while it is used.
        wait_timeout_s: Longest wait for a load or for memory that other callers hold.
    """

    def __init__(
        self,
        budget_bytes: int | None = None,
        *,
        low_memory: bool = False,
        wait_timeout_s: float = 600.0,
    ) -> None:
        budget = _half_of_memory() if budget_bytes is None else budget_bytes
        self._core = PoolCore(budget, low_memory=low_memory)
        self._wait_timeout_s = wait_timeout_s
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self.has_news = False
        self._sessions: dict[SessionKey, Session] = {}
        self._pending: dict[SessionKey, _Pending] = {}
        self._accounts: dict[SessionKey, tuple[int, str]] = {}
        self._counts = {"loads": 0, "hits": 0, "evictions": 0, "failures": 0}
        self._is_closed = False
        self._clock = MonotonicClock()

    def acquire(
        self,
        key: SessionKey,
        load: Callable[[], Session],
        *,
        need_bytes: int = 0,
        timeout_s: float | None = None,
    ) -> Lease:
        """Lease the session of ``key``, loading it with ``load`` if it is not here.

        Args:
            key: What is wanted.
            load: Called at most once, without any lock held.
            need_bytes: Estimate of the memory it takes, by which room is made beforehand.
            timeout_s: Longest wait for others; ``None`` for the pool's own limit.

        Raises:
            MemoryLimitError: It can never fit into the budget.
            DeadlineExceededError: Others held the memory, or were loading, for too long.
            InferenceError: The pool was closed.
        """
        victims = self._reserve(key, need_bytes, timeout_s)
        if victims is None:
            return Lease(self, key, self._sessions[key])
        _close_all(victims)
        before = self._memory_if_alone()
        try:
            session = load()
        except BaseException as error:
            self._abandon(key, error)
            raise
        self._settle(key, session, self._account(session, before, need_bytes))
        return Lease(self, key, session)

    def seat(self, key: SessionKey) -> Entry | None:
        """Where a caller may sit down as a guest, see `Entry`; ``None`` in low-memory mode.

        A guest that leaves while ``has_news`` calls `notice`.
        """
        with self._lock:
            return None if self._core.low_memory else self._core.entries.get(key)

    def notice(self) -> None:
        """A guest has left while somebody waits, or after the pool was closed."""
        with self._lock:
            victims = self._take(self._core.drain()) if self._is_closed else []
            self._changed.notify_all()
        _close_all(victims)

    def leave(self, key: SessionKey) -> None:
        """Give back what a `Lease` took."""
        with self._lock:
            evict = self._core.release(key)
            if self._is_closed:
                evict = (*evict, *self._core.drain())
            victims = self._take(evict)
            if self._waiting:
                self._changed.notify_all()
        _close_all(victims)

    def _reserve(
        self, key: SessionKey, need_bytes: int, timeout_s: float | None
    ) -> list[Session] | None:
        """Take a lease: ``None`` when granted, else the sessions to close before loading."""
        limit_s = self._wait_timeout_s if timeout_s is None else timeout_s
        deadline_ns = self._clock.now_ns() + round(limit_s * 1e9)
        with self._changed:
            self._wait_for_news(1)
            try:
                while True:
                    decision = self._decide(key, need_bytes)
                    if not isinstance(decision, Wait):
                        return self._follow(key, decision)
                    self._wait(key, deadline_ns, decision.reason)
            finally:
                self._wait_for_news(-1)

    def _decide(self, key: SessionKey, need_bytes: int) -> Decision:
        if self._is_closed:
            raise InferenceError(f"the pool is closed; {key.target} was asked for")
        return self._core.request(key, group=key.group, need_bytes=need_bytes)

    def _follow(self, key: SessionKey, decision: Grant | Load | Refuse) -> list[Session] | None:
        match decision:
            case Grant():
                self._counts["hits"] += 1
                return None
            case Load(evict=evict):
                self._pending[key] = _Pending()
                self._counts["evictions"] += len(evict)
                return self._take(evict)
            case Refuse(reason=reason):
                raise MemoryLimitError(
                    f"{key.component} on {key.target} cannot be loaded: {reason}",
                    hint="raise pool_memory_bytes, or take a smaller or quantized model",
                )

    def _wait_for_news(self, change: int) -> None:
        """Guests look at this before they are asked about, so that none leaves unheard."""
        self._waiting += change
        self.has_news = self._is_closed or self._waiting > 0

    def _wait(self, key: SessionKey, deadline_ns: int, reason: str) -> None:
        pending = self._pending.get(key)
        remaining_s = (deadline_ns - self._clock.now_ns()) / 1e9
        if remaining_s <= 0 or not self._changed.wait(remaining_s):
            raise DeadlineExceededError(
                f"{key.component} on {key.target} was not to be had in time: {reason}",
                hint="close models that are not needed, or allow more time or memory",
            )
        if pending is not None and pending.error is not None:
            raise pending.error

    def _settle(self, key: SessionKey, session: Session, account: tuple[int, str]) -> None:
        with self._changed:
            self._pending.pop(key)
            self._sessions[key] = session
            self._accounts[key] = account
            self._counts["loads"] += 1
            evict = self._core.loaded(key, account[0])
            self._counts["evictions"] += len(evict)
            victims = self._take(evict)
            self._changed.notify_all()
        _close_all(victims)

    def _abandon(self, key: SessionKey, error: BaseException) -> None:
        with self._changed:
            self._pending.pop(key).error = error
            self._counts["failures"] += 1
            self._core.failed(key)
            self._changed.notify_all()

    def _take(self, keys: tuple[Hashable, ...]) -> list[Session]:
        ours = [cast("SessionKey", key) for key in keys]
        for key in ours:
            self._accounts.pop(key, None)
        return [self._sessions.pop(key) for key in ours]

    def _memory_if_alone(self) -> int | None:
        """Resident bytes before a load; ``None`` while other loads would blur the difference."""
        if len(self._pending) > 1:
            return None
        return observe_process().rss_bytes

    def _account(
        self, session: Session, before_bytes: int | None, need_bytes: int
    ) -> tuple[int, str]:
        told = session.info.weights_bytes
        if told is not None:
            return told, "runtime"
        if before_bytes is None or len(self._pending) > 1:
            return need_bytes, "files"
        return max(0, observe_process().rss_bytes - before_bytes), "rss"

    def evict_idle(self) -> int:
        """Close every session that nobody leases; returns how many."""
        with self._changed:
            victims = self._take(self._core.drain())
            self._counts["evictions"] += len(victims)
            self._changed.notify_all()
        _close_all(victims)
        return len(victims)

    def stats(self) -> PoolStats:
        """Counters and state now."""
        with self._changed:
            entries = self._core.entries.values()
            return PoolStats(
                sessions=len(self._sessions),
                leases=sum(entry.leases + len(entry.guests) for entry in entries),
                used_bytes=self._core.used_bytes,
                budget_bytes=self._core.budget_bytes,
                accounts={f"{k.target} {k.component}": v for k, v in self._accounts.items()},
                **self._counts,
            )

    def close(self) -> None:
        """Close idle sessions now and leased ones when they are given back; idempotent."""
        with self._changed:
            self._is_closed = self.has_news = True
            victims = self._take(self._core.drain())
            self._changed.notify_all()
        _close_all(victims)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _close_all(sessions: Iterable[Session]) -> None:
    for session in sessions:
        session.close()


def _half_of_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().total) // 2
