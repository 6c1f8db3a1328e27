"""Clocks: monotonic, and fake ones that move only when told."""

from __future__ import annotations

import pytest

from ipfs_accelerate.telemetry import FakeClock, MonotonicClock


def test_the_real_clock_never_goes_back():
    clock = MonotonicClock()
    readings = [clock.now_ns() for _ in range(1000)]
    assert readings == sorted(readings)
    assert all(isinstance(reading, int) for reading in readings)


def test_the_real_clock_waits_at_least_as_long_as_asked():
    clock = MonotonicClock()
    start_ns = clock.now_ns()
    clock.sleep_ns(2_000_000)
    assert clock.now_ns() - start_ns >= 2_000_000


def test_a_negative_wait_is_no_wait():
    MonotonicClock().sleep_ns(-1)


def test_the_fake_clock_moves_only_when_told():
    clock = FakeClock(5)
    assert clock.now_ns() == clock.now_ns() == 5
    clock.sleep_ns(10)
    clock.advance_ns(1)
    assert clock.now_ns() == 16


def test_the_fake_clock_cannot_go_back():
    with pytest.raises(ValueError, match="go back by 3 ns"):
        FakeClock().advance_ns(-3)
