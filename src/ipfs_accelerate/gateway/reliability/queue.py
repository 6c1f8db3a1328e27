"""The queue: priorities that age, one lane for all who wait for the same, one bound for all lanes.

A call's rank is the moment it came plus its priority times ``ageing_ns``; the smallest rank goes
first. So HIGH goes before LOW, unless LOW came more than two such steps earlier: nobody starves,
ranks never have to be computed again, and of two calls with equal urgency the older one goes first.

Source: J. R. Jackson, "Some problems in queueing with dynamic priorities", Naval Research Logistics
Quarterly 7 (1960): order by time of arrival plus an urgency number.
"""

from __future__ import annotations

import heapq
from typing import Any, Generic, TypeVar

from ipfs_accelerate.gateway.routes import Priority

__all__ = ["Lane", "Waiting", "WaitingQueue"]

W = TypeVar("W", bound="Waiting")
_SMALLEST = 64


class Waiting:
    """One who waits; a base class, as calls are made by the million.

    Args:
        priority: Who goes first.
        arrived_ns: When it came, at first: whoever waits again keeps its rank.
        number: Unique, growing; decides between equal ranks.
    """

    __slots__ = ("arrived_ns", "is_tried", "lane", "number", "priority", "rank_ns")

    def __init__(self, priority: Priority, *, arrived_ns: int, number: int, ageing_ns: int) -> None:
        self.priority = priority
        self.arrived_ns = arrived_ns
        self.number = number
        self.rank_ns = arrived_ns + priority * ageing_ns
        self.lane: Lane[Any] | None = None
        self.is_tried = False


class Lane(Generic[W]):
    """Those who wait for the same candidates, by rank."""

    __slots__ = ("_heap", "count")

    def __init__(self) -> None:
        self.count = 0
        self._heap: list[tuple[int, int, W]] = []

    @property
    def head(self) -> W | None:
        """Who is first; O(log n) amortised."""
        heap = self._heap
        while heap:
            waiting = heap[0][2]
            if waiting.lane is self:
                return waiting
            heapq.heappop(heap)
        return None

    def add(self, waiting: W) -> None:
        """Let one more wait here."""
        waiting.lane = self
        self.count += 1
        heapq.heappush(self._heap, (waiting.rank_ns, waiting.number, waiting))

    def leave(self, waiting: W) -> None:
        """Let one go; its place in the heap is dropped later, at the latest by a sweep."""
        waiting.lane = None
        self.count -= 1
        heap = self._heap
        if heap[0][2] is waiting:
            heapq.heappop(heap)
        elif len(heap) > 2 * self.count + _SMALLEST:
            self._heap = [entry for entry in heap if entry[2].lane is self]
            heapq.heapify(self._heap)


class WaitingQueue(Generic[W]):
    """All lanes together, bounded.

    Args:
        size: Most who may wait without having been tried; whoever was tried is always let in
            again, which is bounded by how many run.
    """

    __slots__ = ("_fresh", "_size", "count")

    def __init__(self, size: int) -> None:
        self._size = size
        self._fresh: dict[Priority, dict[int, W]] = {p: {} for p in Priority}
        self.count = 0

    def waiting(self, priority: Priority) -> int:
        """How many of a priority wait and were not tried yet."""
        return len(self._fresh[priority])

    def push(self, waiting: W, lane: Lane[W]) -> W | None:
        """Let one wait.

        Returns:
            Who has to go because the queue is full: the youngest of the lowest priority below the
            new one's, or the new one itself; ``None`` when there is room.
        """
        victim = None if waiting.is_tried else self._make_room(waiting)
        if victim is waiting:
            return victim
        lane.add(waiting)
        self.count += 1
        if not waiting.is_tried:
            self._fresh[waiting.priority][waiting.number] = waiting
        return victim

    def remove(self, waiting: W) -> None:
        """Take one out, from wherever it waits; O(log n) amortised."""
        if waiting.lane is None:
            return
        waiting.lane.leave(waiting)
        self.count -= 1
        if not waiting.is_tried:
            del self._fresh[waiting.priority][waiting.number]

    def _make_room(self, newcomer: W) -> W | None:
        fresh = self._fresh
        if sum(map(len, fresh.values())) < self._size:
            return None
        for priority in reversed(Priority):
            if priority <= newcomer.priority:
                break
            if fresh[priority]:
                victim = fresh[priority][next(reversed(fresh[priority]))]
                self.remove(victim)
                return victim
        return newcomer
