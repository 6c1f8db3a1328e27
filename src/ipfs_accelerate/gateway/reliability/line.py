"""Everybody who waits, and who of them begins when something has changed."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.reliability.queue import WaitingQueue
from ipfs_accelerate.gateway.reliability.selection import Blocked, RouteLane, choose
from ipfs_accelerate.gateway.reliability.timers import NEVER_NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.gateway.reliability.call import Call
    from ipfs_accelerate.gateway.reliability.gate import Gate
    from ipfs_accelerate.gateway.reliability.selection import Option
    from ipfs_accelerate.gateway.reliability.settings import ReliabilitySettings
    from ipfs_accelerate.gateway.reliability.sites import KeySite, Site
    from ipfs_accelerate.gateway.reliability.timers import Timers

__all__ = ["Line"]

_S = 1_000_000_000


class Line:
    """Calls in their lanes.

    A call waits in the lane of those who may go to the same candidates, so calls for different
    endpoints never block each other; where lanes share an endpoint, the better rank goes first.

    Args:
        settings: Size of the queue and patience.
        timers: Told when a lane has to be looked at again.
    """

    __slots__ = ("_busy", "_circuit_wait_ns", "_spill_ns", "_timers", "queue", "touched")

    def __init__(self, settings: ReliabilitySettings, timers: Timers[Call | RouteLane]) -> None:
        self.queue: WaitingQueue[Call] = WaitingQueue(settings.queue_size)
        #: Services where there is new room or a new first in line.
        self.touched: set[Gate] = set()
        self._timers = timers
        self._busy: dict[RouteLane, None] = {}
        self._spill_ns = round(settings.spill_after_s * _S)
        self._circuit_wait_ns = round(settings.circuit_wait_s * _S)

    def at_once(self, call: Call, now_ns: int) -> tuple[Option, KeySite] | None:
        """Who takes a call for which it is not worth to stand in line."""
        if self.queue.count:
            return None
        lane = call.route.lane(call.options)
        found = choose(lane, call, now_ns, spill_ns=self._spill_ns, closed=set())
        return None if isinstance(found, Blocked) else found

    def spare(self, call: Call, options: int, now_ns: int) -> tuple[Option, KeySite] | None:
        """Who takes a hedge of a call without waiting, and without taking it from who waits."""
        wanted = {o.site for busy in self._busy if busy.head for tier in busy.tiers for o in tier}
        found = choose(call.route.lane(options), call, now_ns, spill_ns=0, closed=wanted)
        return None if isinstance(found, Blocked) else found

    def enter(self, call: Call) -> Call | None:
        """Let a call wait; returns who has to go for it, see `WaitingQueue.push`."""
        lane = call.route.lane(call.options)
        victim = self.queue.push(call, lane)
        if victim is not call:
            self._busy[lane] = None
            if lane.head is call:
                self.touched |= lane.services
        return victim

    def leave(self, call: Call) -> None:
        """Take a call out; nothing happens when it does not wait."""
        lane = call.lane
        if lane is None:
            return
        if lane.head is call:
            self.touched |= call.route.lane(call.options).services
        self.queue.remove(call)

    def settle(self, now_ns: int) -> Iterator[tuple[Call, tuple[Option, KeySite] | Blocked]]:
        """Who begins, best rank first, or cannot begin in time; they wait no more.

        What the caller does with one counts for the next.
        """
        heads = self._heads()
        closed: set[Site] = set()
        while heads:
            lane = heapq.heappop(heads)[2]
            call = lane.head
            if call is None:
                continue
            found = choose(lane, call, now_ns, spill_ns=self._spill_ns, closed=closed)
            if isinstance(found, Blocked) and not self._is_stuck(call, found, now_ns):
                self._wake(lane, call, found.moment_ns, now_ns)
                continue
            self.queue.remove(call)
            yield call, found
            if (head := lane.head) is not None:
                heapq.heappush(heads, (head.rank_ns, head.number, lane))

    def _heads(self) -> list[tuple[int, int, RouteLane]]:
        heads: list[tuple[int, int, RouteLane]] = []
        self._touch_connected()
        for lane in list(self._busy):
            head = lane.head
            if head is None:
                del self._busy[lane]
            elif not self.touched.isdisjoint(lane.services):
                heads.append((head.rank_ns, head.number, lane))
        heapq.heapify(heads)
        return heads

    def _touch_connected(self) -> None:
        """Who is asked again may take what others wait for: these have to be asked as well."""
        touched, is_new = self.touched, len(self._busy) > 1
        while is_new:
            is_new = False
            for lane in self._busy:
                if not touched.isdisjoint(lane.services) and not lane.services <= touched:
                    touched |= lane.services
                    is_new = True

    def _is_stuck(self, call: Call, blocked: Blocked, now_ns: int) -> bool:
        """Whether waiting is of no use."""
        if blocked.can_change:
            return False
        if call.deadline_ns is not None and blocked.moment_ns >= call.deadline_ns:
            return True
        return blocked.is_circuit and blocked.moment_ns > now_ns + self._circuit_wait_ns

    def _wake(self, lane: RouteLane, head: Call, moment_ns: int, now_ns: int) -> None:
        spill_ns = head.placed_ns + self._spill_ns
        if len(lane.tiers) > 1 and spill_ns > now_ns:
            moment_ns = min(moment_ns, spill_ns)
        if moment_ns < NEVER_NS and (lane.wake_ns is None or moment_ns < lane.wake_ns):
            lane.wake_ns = moment_ns
            self._timers.add(moment_ns, lane)
