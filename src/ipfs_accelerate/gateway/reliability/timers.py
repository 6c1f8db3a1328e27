"""Moments at which something is due."""

from __future__ import annotations

import heapq
from typing import Generic, Protocol, TypeVar

__all__ = ["NEVER_NS", "Timers"]

NEVER_NS = 1 << 62
"""Later than every moment."""

_SMALLEST = 256


class _MayBeDone(Protocol):
    @property
    def is_done(self) -> bool: ...


T = TypeVar("T", bound=_MayBeDone)


class Timers(Generic[T]):
    """A heap of moments; those of items which are done are dropped before they are half of it."""

    __slots__ = ("_heap", "_number", "_sweep_at", "next_ns")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._number = 0
        self._sweep_at = _SMALLEST
        self.next_ns = NEVER_NS

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, moment_ns: int, item: T) -> None:
        """Make ``item`` due at a moment; O(log n), sweeping included (amortised)."""
        self._number += 1
        heapq.heappush(self._heap, (moment_ns, self._number, item))
        self.next_ns = min(self.next_ns, moment_ns)
        if len(self._heap) >= self._sweep_at:
            self._sweep()

    def pop_due(self, now_ns: int) -> T | None:
        """The earliest item whose moment has come, done or not; ``None`` when there is none."""
        if self.next_ns > now_ns:
            return None
        item = heapq.heappop(self._heap)[2]
        self.next_ns = self._heap[0][0] if self._heap else NEVER_NS
        return item

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if not entry[2].is_done]
        heapq.heapify(self._heap)
        self._sweep_at = max(_SMALLEST, 2 * len(self._heap))
        self.next_ns = self._heap[0][0] if self._heap else NEVER_NS
