"""The limit of concurrency feels its way."""

from __future__ import annotations

from ipfs_accelerate.gateway.reliability.limits import Limit

MS = 1_000_000


def busy(limit: Limit) -> None:
    """As many run as may."""
    limit.in_flight = int(limit.value)


def rounds(limit: Limit, count: int) -> None:
    for _ in range(count):
        busy(limit)
        for _ in range(int(limit.value)):
            limit.grow()


def test_it_doubles_with_each_round_at_first():
    limit = Limit(4, 1000)
    rounds(limit, 3)
    assert limit.value == 32


def test_a_refusal_halves_it_and_from_then_on_it_grows_by_one_a_round():
    limit = Limit(64, 1000)
    limit.halve(0)
    assert limit.value == 32
    rounds(limit, 4)
    assert 35 < limit.value <= 36


def test_refusals_of_one_round_trip_count_once():
    limit = Limit(64, 1000)
    limit.observe(100 * MS, 0)
    limit.halve(0)
    limit.halve(50 * MS)
    assert limit.value == 32
    limit.halve(101 * MS)
    assert limit.value == 16


def test_it_never_leaves_one_to_ceiling():
    limit = Limit(8, 10)
    rounds(limit, 10)
    assert limit.value == 10
    for _ in range(50):
        limit.halve(0)
    assert limit.value == 1
    assert Limit(0, 0).value == 1


def test_it_does_not_grow_while_it_is_not_used():
    limit = Limit(10, 100)
    limit.in_flight = 2
    for _ in range(100):
        limit.grow()
    assert limit.value == 10


def test_latency_that_inflates_lowers_it_and_latency_that_is_steady_does_not():
    limit = Limit(100, 100)
    now_ns = 0
    for number in range(2000):
        now_ns += MS
        limit.observe((50 + number % 10) * MS, now_ns)
    assert limit.value == 100
    for _ in range(400):
        now_ns += MS
        limit.observe(800 * MS, now_ns)
    assert limit.value < 100


def test_what_hangs_is_known_by_what_came_before():
    limit = Limit(1, 1)
    assert limit.is_hanging(1)
    limit.observe(100 * MS, 0)
    assert not limit.is_hanging(300 * MS)
    assert limit.is_hanging(500 * MS)
