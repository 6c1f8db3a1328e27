"""Moments at which something is due."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Timers"]

T = TypeVar("T")
_SMALLEST = 256


class Timers(Generic[T]):
    """A heap of moments; what is no longer wanted is dropped when it has become half of it.

    Args:
        is_wanted: ``False`` for what is over; such timers still may fire and are then ignored.
    """

    __slots__ = ("_heap", "_is_wanted", "_number", "_sweep_at")

    def __init__(self, is_wanted: Callable[[T], bool]) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._number = 0
        self._is_wanted = is_wanted
        self._sweep_at = _SMALLEST

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_ns(self) -> int | None:
        """The earliest moment; ``None`` when there is none."""
        return self._heap[0][0] if self._heap else None

    def add(self, moment_ns: int, item: T) -> None:
        """Make ``item`` due at a moment; O(log n), sweeping included (amortised)."""
        self._number += 1
        heapq.heappush(self._heap, (moment_ns, self._number, item))
        if len(self._heap) >= self._sweep_at:
            self._heap = [entry for entry in self._heap if self._is_wanted(entry[2])]
            heapq.heapify(self._heap)
            self._sweep_at = max(_SMALLEST, 2 * len(self._heap))

    def pop_due(self, now_ns: int) -> T | None:
        """The earliest item whose moment has come; ``None`` when there is none."""
        if self._heap and self._heap[0][0] <= now_ns:
            return heapq.heappop(self._heap)[2]
        return None
