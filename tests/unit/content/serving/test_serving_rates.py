"""Token buckets on a clock that stands still."""

from __future__ import annotations

import pytest

from ipfs_accelerate.content.serving import Limits
from ipfs_accelerate.content.serving.rates import ClientRates
from ipfs_accelerate.errors import ConfigurationError

SECOND = 10**9


def test_a_burst_is_granted_then_the_rate_holds() -> None:
    rates = ClientRates(2.0, burst=3)
    for _ in range(3):
        assert rates.wait_s("a", 0) == 0
        rates.take("a", 1, 0)
    assert rates.wait_s("a", 0) == pytest.approx(0.5)
    assert rates.wait_s("a", SECOND // 2) == 0


def test_debt_is_paid_off_at_the_rate() -> None:
    rates = ClientRates(100.0, burst=10)
    rates.take("a", 1010, 0)
    assert rates.wait_s("a", 0) == pytest.approx(10.01)
    assert rates.wait_s("a", 5 * SECOND) == pytest.approx(5.01)


def test_clients_do_not_pay_for_each_other() -> None:
    rates = ClientRates(1.0, burst=1)
    rates.take("a", 5, 0)
    assert rates.wait_s("b", 0) == 0


def test_saving_up_ends_at_the_burst() -> None:
    rates = ClientRates(1.0, burst=2)
    rates.wait_s("a", 0)
    rates.take("a", 2, 1000 * SECOND)
    assert rates.wait_s("a", 1000 * SECOND) > 0


def test_a_clock_that_jitters_back_grants_nothing() -> None:
    rates = ClientRates(1.0, burst=1)
    rates.take("a", 1, 10 * SECOND)
    assert rates.wait_s("a", 5 * SECOND) == 1


def test_no_rate_is_no_limit() -> None:
    rates = ClientRates(None, burst=1)
    rates.take("a", 10**12, 0)
    assert rates.wait_s("a", 0) == 0
    assert len(rates) == 0


def test_the_memory_of_clients_is_bounded() -> None:
    rates = ClientRates(1.0, burst=1)
    for number in range(10_000):
        rates.take(f"10.0.{number}", 1, 0)
    assert len(rates) == 4096
    assert rates.wait_s("10.0.9999", 0) > 0


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="connections"):
        Limits(connections=0)
