"""The detector waits for the steady state, not for a quiet moment, and not for ever."""

import numpy as np
import pytest

from ipfs_accelerate.bench.warmup import WarmupDecision, WarmupDetector, WarmupPolicy
from ipfs_accelerate.errors import InputError


def run(latencies_ns: np.ndarray, policy: WarmupPolicy | None = None) -> WarmupDecision | None:
    detector = WarmupDetector(policy)
    for latency_ns in latencies_ns:
        decision = detector.add(int(latency_ns))
        if decision.is_done:
            return decision
    return None


def noisy(level: np.ndarray, seed: int = 0) -> np.ndarray:
    return 1e6 * level * np.exp(0.01 * np.random.default_rng(seed).standard_normal(len(level)))


def test_a_steady_series_needs_few_calls():
    decision = run(noisy(np.ones(200)))
    assert decision is not None
    assert decision.is_steady
    assert decision.warmup_calls < 40


def test_an_exponential_start_is_waited_out():
    decay = 1 + 5 * np.exp(-np.arange(300) / 10)
    decision = run(noisy(decay))
    assert decision is not None
    assert decision.is_steady
    assert decay[decision.warmup_calls - 1] < 1.10


def test_a_short_pause_in_the_middle_of_a_descent_is_not_the_end():
    level = np.concatenate([np.linspace(5, 3, 10), np.full(7, 3.0), np.linspace(3, 1, 15)])
    decision = run(noisy(np.concatenate([level, np.ones(200)])))
    assert decision is not None
    assert decision.is_steady
    assert decision.warmup_calls > 32


def test_a_series_that_never_settles_ends_with_a_flag():
    decision = run(noisy(1.05 ** np.arange(500.0)), WarmupPolicy(max_calls=60))
    assert decision is not None
    assert not decision.is_steady
    assert decision.flags == ("not_steady",)
    assert decision.warmup_calls == 60
    assert "60 calls" in decision.reason


def test_slow_calls_end_with_the_budget():
    decision = run(np.full(100, 4e9), WarmupPolicy(budget_ns=10_000_000_000))
    assert decision is not None
    assert decision.warmup_calls == 3


def test_a_decision_stands():
    detector = WarmupDetector(WarmupPolicy(max_calls=5))
    decisions = [detector.add(ns) for ns in (1000, 900, 800, 700, 600, 10, 10)]
    assert decisions[4] == decisions[5] == decisions[6]


def test_latencies_of_zero_are_steady():
    assert run(np.zeros(50)) is not None


def test_a_negative_latency_is_refused():
    with pytest.raises(InputError, match="-5 ns"):
        WarmupDetector().add(-5)


@pytest.mark.parametrize("change", [{"window": 0}, {"tolerance": 0.0}, {"max_calls": 2}])
def test_a_policy_that_cannot_end_is_refused(change: dict[str, float]):
    with pytest.raises(InputError):
        WarmupPolicy(**change)  # type: ignore[arg-type]  # values of both kinds
