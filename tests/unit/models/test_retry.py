"""Waits grow, are spread, obey the source and end."""

import numpy as np
import pytest

from ipfs_accelerate.models.retry import Retry, Transient
from ipfs_accelerate.telemetry import FakeClock

SECOND = 1_000_000_000


class Flaky:
    def __init__(self, failures, **how):
        self.failures, self.how, self.calls = failures, how, 0

    def __call__(self):
        self.calls += 1
        if self.calls <= self.failures:
            raise Transient("down", **self.how)
        return "up"


@pytest.fixture
def clock():
    return FakeClock()


def test_what_works_at_once_waits_for_nothing(clock):
    assert Retry(clock=clock).call(Flaky(0), what="x") == "up"
    assert clock.now_ns() == 0


def test_waits_double_up_to_a_limit(clock):
    retry = Retry(clock=clock, first_ns=SECOND, longest_ns=4 * SECOND)

    assert [retry.wait_ns(n) // SECOND for n in range(1, 6)] == [1, 2, 4, 4, 4]


def test_waits_are_spread_over_the_upper_half_and_repeat_with_the_seed():
    def draw(seed):
        retry = Retry(first_ns=SECOND, jitter=np.random.default_rng(seed))
        return [retry.wait_ns(1) for _ in range(200)]

    waits = draw(1)

    assert 0.5 * SECOND <= min(waits) < 0.55 * SECOND
    assert 0.95 * SECOND < max(waits) <= SECOND
    assert waits == draw(1) != draw(2)


def test_the_last_failure_is_raised_after_all_attempts(clock):
    operation = Flaky(9)

    with pytest.raises(Transient, match="down"):
        Retry(attempts=4, clock=clock, first_ns=SECOND).call(operation, what="x")

    assert operation.calls == 4
    assert clock.now_ns() == (1 + 2 + 4) * SECOND


def test_the_time_the_source_asks_for_is_waited(clock):
    Retry(clock=clock).call(Flaky(1, retry_after_ns=9 * SECOND), what="x")

    assert clock.now_ns() == 9 * SECOND


def test_an_unreasonable_time_ends_the_attempts(clock):
    operation = Flaky(1, retry_after_ns=3600 * SECOND)

    with pytest.raises(Transient):
        Retry(clock=clock).call(operation, what="x")

    assert (operation.calls, clock.now_ns()) == (1, 0)


def test_other_errors_pass_through_at_once(clock):
    def broken():
        raise KeyError("defect")

    with pytest.raises(KeyError):
        Retry(clock=clock).call(broken, what="x")

    assert clock.now_ns() == 0
