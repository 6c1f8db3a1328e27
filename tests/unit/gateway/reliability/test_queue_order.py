"""Who waits goes by rank: priority, aged; the bound hits the lowest; leaving costs nothing."""

from __future__ import annotations

import numpy as np
import pytest

from ipfs_accelerate.gateway.reliability.queue import Lane, Waiting, WaitingQueue
from ipfs_accelerate.gateway.routes import Priority

AGEING_NS = 1000


class Numbered:
    """Makes those who wait."""

    def __init__(self, size: int = 100) -> None:
        self.queue: WaitingQueue[Waiting] = WaitingQueue(size)
        self.lane: Lane[Waiting] = Lane()
        self.number = 0

    def make(self, priority: Priority, at_ns: int = 0) -> Waiting:
        self.number += 1
        return Waiting(priority, arrived_ns=at_ns, number=self.number, ageing_ns=AGEING_NS)

    def push(self, priority: Priority, at_ns: int = 0, lane: Lane[Waiting] | None = None):
        waiting = self.make(priority, at_ns)
        return waiting, self.queue.push(waiting, self.lane if lane is None else lane)

    def drain(self) -> list[Waiting]:
        order = []
        while (head := self.lane.head) is not None:
            self.queue.remove(head)
            order.append(head)
        return order


def test_high_goes_before_normal_before_low_and_older_before_younger():
    world = Numbered()
    pushed = [world.push(p, at_ns=n)[0] for n, p in enumerate([2, 0, 1, 2, 0, 1])]
    assert world.drain() == [pushed[n] for n in (1, 4, 2, 5, 0, 3)]


def test_equals_go_in_the_order_they_came():
    world = Numbered()
    pushed = [world.push(Priority.NORMAL)[0] for _ in range(20)]
    assert world.drain() == pushed


def test_low_goes_before_high_exactly_when_it_came_two_steps_earlier():
    for later_ns, first in ((2 * AGEING_NS - 1, Priority.HIGH), (2 * AGEING_NS, Priority.LOW)):
        world = Numbered()
        world.push(Priority.LOW, at_ns=0)
        world.push(Priority.HIGH, at_ns=later_ns)
        assert world.drain()[0].priority is first


def test_low_is_not_starved_by_a_stream_of_high():
    world = Numbered()
    low, _ = world.push(Priority.LOW)
    passed = 0
    for now_ns in range(0, 100 * AGEING_NS, 100):
        world.push(Priority.HIGH, at_ns=now_ns)
        head = world.lane.head
        assert head is not None
        world.queue.remove(head)
        if head is low:
            break
        passed += 1
    assert passed == 2 * AGEING_NS / 100


@pytest.mark.parametrize(
    ("inside", "newcomer", "victim"),
    [
        ([0, 2, 1, 2], Priority.HIGH, 3),
        ([0, 0, 1, 1], Priority.HIGH, 3),
        ([0, 1, 0, 0], Priority.HIGH, 1),
        ([0, 0, 0, 0], Priority.HIGH, None),
        ([2, 2, 2, 2], Priority.LOW, None),
        ([1, 1, 2, 1], Priority.NORMAL, 2),
    ],
)
def test_a_full_queue_refuses_the_youngest_of_the_lowest(inside, newcomer, victim):
    world = Numbered(size=4)
    pushed = [world.push(Priority(p))[0] for p in inside]
    new, refused = world.push(newcomer)
    assert refused is (new if victim is None else pushed[victim])
    assert world.queue.count == 4
    assert (new in world.drain()) == (victim is not None)


def test_whoever_was_tried_is_let_in_again_and_never_evicted():
    world = Numbered(size=1)
    tried = world.make(Priority.LOW)
    tried.is_tried = True
    assert world.queue.push(tried, world.lane) is None
    assert world.push(Priority.LOW)[1] is None
    assert world.queue.count == 2
    _, victim = world.push(Priority.HIGH)
    assert victim is not tried
    assert tried in world.drain()


def test_lanes_share_the_bound_and_nothing_else():
    world = Numbered(size=2)
    other: Lane[Waiting] = Lane()
    world.push(Priority.HIGH)
    there, _ = world.push(Priority.LOW, lane=other)
    assert other.head is there
    _, victim = world.push(Priority.NORMAL)
    assert victim is there
    assert other.head is None


def test_random_arrivals_and_departures_leave_in_the_order_of_a_sorted_list():
    generator = np.random.default_rng(5)
    world = Numbered(size=10_000)
    inside: list[Waiting] = []
    for now_ns in range(0, 20_000, 5):
        if inside and generator.random() < 0.45:
            gone = inside.pop(int(generator.integers(len(inside))))
            world.queue.remove(gone)
            world.queue.remove(gone)
        else:
            inside.append(world.push(Priority(int(generator.integers(3))), at_ns=now_ns)[0])
        first = min(inside, key=lambda w: (w.rank_ns, w.number), default=None)
        assert world.lane.head is first
        assert world.queue.count == world.lane.count == len(inside)
    assert world.drain() == sorted(inside, key=lambda w: (w.rank_ns, w.number))


def test_those_who_left_do_not_pile_up():
    world = Numbered(size=10_000)
    keeper, _ = world.push(Priority.HIGH)
    for _ in range(10_000):
        left, _ = world.push(Priority.LOW)
        world.queue.remove(left)
    assert len(world.lane._heap) < 200
    assert world.lane.head is keeper
