"""Calls into the ledger, from a thread of its own: a call never waits for the store."""

from __future__ import annotations

import logging
import platform
import threading
import uuid
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import count, islice
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.errors import StoreError
from ipfs_accelerate.store.gateway import GatewayCallRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ipfs_accelerate.gateway.records import CallRecord
    from ipfs_accelerate.store import Ledger

__all__ = ["LedgerRecorder"]

logger = logging.getLogger(__name__)


class LedgerRecorder:
    """An observer that writes calls to the ledger in batches.

    While the store cannot be written, calls wait in memory; those above ``capacity`` are dropped,
    counted and reported in the log.

    Args:
        ledger: Where to; written by one thread.
        capacity: Most calls that wait.
        batch: Written at once.
        interval_s: Longest wait of a call before it is written.
        now: The time, with zone.

    Attributes:
        stored: Calls written.
        dropped: Calls lost.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        capacity: int = 20_000,
        batch: int = 1_000,
        interval_s: float = 2.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._capacity, self._batch, self._interval_s = capacity, batch, interval_s
        self._now = now
        self._host = platform.node()
        self._prefix = uuid.uuid4().hex
        self._numbers = count()
        self._waiting: deque[tuple[CallRecord, datetime, int]] = deque()
        self._wake = threading.Event()
        self._is_closing = False
        self.stored = 0
        self.dropped = 0
        self._reported = 0
        self._thread = threading.Thread(
            target=self._work, name="ipfs-accelerate-gateway-recorder", daemon=True
        )
        self._thread.start()

    def __call__(self, record: CallRecord) -> None:
        """Take a call that has ended; returns at once."""
        if len(self._waiting) >= self._capacity:
            self.dropped += 1
            return
        self._waiting.append((record, self._now(), next(self._numbers)))
        if len(self._waiting) >= self._batch:
            self._wake.set()

    def close(self) -> None:
        """Write what waits and end the thread; idempotent."""
        self._is_closing = True
        self._wake.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _work(self) -> None:
        while not self._is_closing:
            self._wake.wait(self._interval_s)
            self._wake.clear()
            self._write()
        while self._waiting and self._write():
            pass
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._report()

    def _write(self) -> bool:
        """Write one batch; whether that worked."""
        batch = list(islice(self._waiting, self._batch))
        self._report()
        if not batch:
            return True
        try:
            self._ledger.record_gateway_calls([self._row(*waiting) for waiting in batch])
        except StoreError as error:
            logger.warning("calls of the gateway wait for the ledger: %s", error)
            return False
        for _ in batch:
            self._waiting.popleft()
        self.stored += len(batch)
        if len(self._waiting) >= self._batch:
            self._wake.set()
        return True

    def _report(self) -> None:
        if self.dropped > self._reported:
            logger.warning("%d calls of the gateway are missing in the ledger", self.dropped)
            self._reported = self.dropped

    def _row(self, record: CallRecord, ended_at: datetime, number: int) -> GatewayCallRecord:
        answered = next((one for one in record.attempts if one.outcome == "ok"), None)
        usage = record.usage
        return GatewayCallRecord(
            call_id=f"{self._prefix}/{number}",
            request_id=record.request_id,
            host=self._host,
            route=record.route,
            operation=record.operation.value,
            priority=record.priority.name.lower(),
            outcome=record.outcome,
            elapsed_ns=record.elapsed_ns,
            created_at=ended_at,
            endpoint=answered.endpoint if answered else None,
            provider=answered.provider if answered else None,
            model=answered.model if answered else None,
            key_name=answered.key if answered else None,
            attempts=[asdict(one) for one in record.attempts],
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            cached_tokens=usage.cached_tokens if usage else None,
            cost=record.cost,
            queued_ns=record.queued_ns,
            first_ns=record.first_ns,
            batched=record.batched,
            is_stream=record.is_stream,
            is_cached=record.is_cached,
        )
