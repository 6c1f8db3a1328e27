"""Circuits open, half-open and close as drawn."""

from __future__ import annotations

import numpy as np
import pytest

from ipfs_accelerate.gateway.reliability.breaker import (
    EVENT_NS,
    Breaker,
    BreakerRules,
    CircuitState,
)

S = 1_000_000_000
RULES = BreakerRules(failures=3, rate=0.5, volume=10, probes=2, open_ns=10 * S, open_most_ns=60 * S)


@pytest.fixture
def breaker():
    return Breaker(RULES, np.random.default_rng(1))


def fail(breaker, times=1, now_ns=0):
    for _ in range(times):
        breaker.fail(breaker.begin(), now_ns, "provider_failed")


def opened(breaker, now_ns=0):
    fail(breaker, 3, now_ns)
    assert breaker.state is CircuitState.OPEN
    return breaker


def test_failures_in_a_row_open_it_and_it_tells_why(breaker):
    fail(breaker, 2)
    assert breaker.ready_ns(0) == 0
    fail(breaker)
    assert breaker.state is CircuitState.OPEN
    assert breaker.reason == "provider_failed"
    assert 8 * S <= breaker.ready_ns(0) <= 12 * S


def test_a_share_of_failures_opens_it_only_from_the_least_volume_on(breaker):
    for number in range(9):
        assert breaker.state is CircuitState.CLOSED
        if number % 2:
            breaker.succeed(breaker.begin())
        else:
            fail(breaker)
    breaker.succeed(breaker.begin())
    assert breaker.state is CircuitState.CLOSED
    fail(breaker)
    assert breaker.state is CircuitState.OPEN


def test_a_share_below_the_rate_does_not_open_it(breaker):
    for number in range(1000):
        if number % 3:
            breaker.succeed(breaker.begin())
        else:
            fail(breaker)
    assert breaker.state is CircuitState.CLOSED


def test_after_a_long_good_time_three_failures_still_open_it(breaker):
    for _ in range(500):
        if not breaker.is_spotless:
            breaker.succeed(breaker.begin())
    assert breaker.is_spotless
    opened(breaker)
    assert not breaker.is_spotless


def test_half_open_lets_so_many_probes_through_and_closes_when_they_succeed(breaker):
    now_ns = opened(breaker).until_ns
    assert breaker.ready_ns(now_ns - 1) == now_ns
    assert breaker.ready_ns(now_ns) == 0
    assert breaker.state is CircuitState.HALF_OPEN
    probes = [breaker.begin(), breaker.begin()]
    assert breaker.ready_ns(now_ns) == EVENT_NS
    breaker.succeed(probes[0])
    assert breaker.state is CircuitState.HALF_OPEN
    assert breaker.ready_ns(now_ns) == 0
    breaker.succeed(probes[1])
    assert breaker.state is CircuitState.CLOSED


def test_a_probe_that_fails_opens_it_for_longer_and_success_forgets(breaker):
    opened(breaker)
    times = []
    for _ in range(6):
        now_ns = breaker.until_ns
        assert breaker.ready_ns(now_ns) == 0
        fail(breaker, now_ns=now_ns)
        assert breaker.state is CircuitState.OPEN
        times.append((breaker.until_ns - now_ns) / S)
    assert times[0] == pytest.approx(20, rel=0.2)
    assert times[1] == pytest.approx(40, rel=0.2)
    assert times[-1] == pytest.approx(60, rel=0.2)
    breaker.ready_ns(breaker.until_ns)
    for _ in range(2):
        breaker.succeed(breaker.begin())
    assert breaker.state is CircuitState.CLOSED
    opened(breaker)
    assert breaker.until_ns <= 12 * S


def test_an_abandoned_probe_gives_its_place_back(breaker):
    breaker.ready_ns(opened(breaker).until_ns)
    probes = [breaker.begin(), breaker.begin()]
    assert breaker.ready_ns(breaker.until_ns) == EVENT_NS
    breaker.abandon(probes[0])
    assert breaker.ready_ns(breaker.until_ns) == 0


def test_what_began_before_the_state_changed_tells_nothing(breaker):
    early = breaker.begin()
    now_ns = opened(breaker).until_ns
    breaker.fail(early, now_ns, "late")
    breaker.succeed(early)
    assert breaker.ready_ns(now_ns) == 0
    breaker.succeed(early)
    breaker.fail(early, now_ns, "late")
    breaker.abandon(early)
    assert breaker.state is CircuitState.HALF_OPEN
    assert breaker.ready_ns(now_ns) == 0
