"""The sampler stops when it is precise, out of budget or at the limit, and says which."""

import numpy as np
import pytest

from ipfs_accelerate.bench.sampling import AdaptiveSampler, SamplingPolicy, Stop, Take, next_look
from ipfs_accelerate.errors import InputError


def drive(policy: SamplingPolicy, *, scale: float, latency_ns: float = 1e6) -> tuple[Stop, int]:
    rng, sampler = np.random.default_rng(3), AdaptiveSampler(policy)
    while isinstance(step := sampler.next(), Take):
        assert step.count > 0
        for _ in range(step.count):
            sampler.add(int(latency_ns * np.exp(scale * rng.standard_normal())))
    return step, len(sampler.samples_ns)


def test_a_quiet_series_stops_precise_at_the_first_look():
    stop, n = drive(SamplingPolicy(min_duration_ns=0), scale=0.01)
    assert stop.reason == "precise"
    assert n == 50


def test_a_noisy_series_takes_more_and_ends_narrow_enough():
    stop, n = drive(SamplingPolicy(target_relative_width=0.03), scale=0.1)
    assert stop.reason == "precise"
    assert 100 < n < 1000
    assert stop.interval is not None
    assert stop.interval.relative_width <= 0.03


def test_fast_calls_go_on_until_a_disturbance_had_time_to_appear():
    policy = SamplingPolicy(min_duration_ns=300_000_000)
    _, n = drive(policy, scale=0.01)
    assert n * 1e6 >= 300_000_000


def test_a_minimum_duration_does_not_outlive_the_limit():
    stop, n = drive(SamplingPolicy(max_samples=80, min_duration_ns=10**12), scale=0.01)
    assert (stop.reason, n) == ("precise", 80)


def test_the_limit_ends_what_never_gets_precise():
    stop, n = drive(SamplingPolicy(target_relative_width=0.001, max_samples=120), scale=0.3)
    assert (stop.reason, n) == ("max_samples", 120)


def test_slow_calls_end_with_the_budget_and_still_have_an_interval():
    stop, n = drive(SamplingPolicy(budget_ns=10_000_000_000), scale=0.05, latency_ns=1e9)
    assert stop.reason == "budget"
    assert 9 <= n <= 12
    assert stop.interval is not None


def test_a_budget_below_two_calls_still_takes_two():
    stop, n = drive(SamplingPolicy(budget_ns=1), scale=0.05)
    assert (stop.reason, n) == ("budget", 2)
    assert stop.interval is not None
    assert stop.interval.caution is not None


def test_asking_twice_changes_nothing():
    sampler = AdaptiveSampler()
    assert sampler.next() == sampler.next()


def test_looks_grow_geometrically_up_to_the_limit():
    policy = SamplingPolicy(min_samples=50, max_samples=200)
    looks = [50]
    while looks[-1] < 200:
        looks.append(next_look(looks[-1], policy))
    assert looks == [50, 75, 113, 170, 200]


def test_a_negative_latency_is_refused():
    with pytest.raises(InputError):
        AdaptiveSampler().add(-1)


@pytest.mark.parametrize(
    "change", [{"min_samples": 1}, {"max_samples": 10}, {"target_relative_width": 0.0}]
)
def test_a_policy_that_cannot_stop_is_refused(change: dict[str, float]):
    with pytest.raises(InputError):
        SamplingPolicy(**change)  # type: ignore[arg-type]  # values of both kinds
