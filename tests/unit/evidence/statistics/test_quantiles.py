import numpy as np
import pytest

from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.bench.quantiles import quantile_rows, samples_for_quantile
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.statistics import quantile_interval


@pytest.mark.parametrize(("quantile", "n"), [(0.5, 200), (0.95, 1000), (0.99, 2000)])
def test_intervals_of_independent_samples_cover_as_often_as_they_say(quantile, n):
    rows = np.random.default_rng(1).lognormal(0, 0.3, (400, n))
    truth = float(np.exp(0.3 * {0.5: 0.0, 0.95: 1.644854, 0.99: 2.326348}[quantile]))
    low, high, _ = quantile_rows(rows, quantile, confidence=0.95)
    assert 0.92 <= np.mean((low <= truth) & (truth <= high)) <= 0.99


def test_dependent_samples_are_worth_fewer_and_widen_the_interval():
    rng = np.random.default_rng(2)
    independent = rng.normal(100, 5, 2000)
    walk = np.empty(2000)
    walk[0] = 0
    for i in range(1, 2000):
        walk[i] = 0.9 * walk[i - 1] + np.sqrt(1 - 0.81) * rng.normal()
    wide = quantile_interval(100 + 5 * walk, 0.95)
    narrow = quantile_interval(independent, 0.95)
    assert wide.effective_n < 0.5 * narrow.effective_n
    assert wide.high - wide.low > narrow.high - narrow.low


def test_a_tail_with_too_few_samples_has_no_interval_but_a_reason_and_a_number():
    found = quantile_interval(np.random.default_rng(3).normal(100, 5, 200), 0.99)
    assert (found.low, found.high) == (None, None)
    assert "200 samples" in found.reason
    assert found.samples_needed >= samples_for_quantile(0.99) == 368


def test_the_named_number_of_samples_gives_an_interval():
    rng = np.random.default_rng(4)
    needed = quantile_interval(rng.normal(100, 5, 200), 0.99).samples_needed
    assert quantile_interval(rng.normal(100, 5, 2 * needed), 0.99).low is not None


def test_the_median_agrees_with_the_interval_that_sampling_stops_by():
    samples = np.random.default_rng(5).lognormal(10, 0.2, 600)
    ours, theirs = quantile_interval(samples, 0.5), median_interval(samples)
    assert ours.low == pytest.approx(theirs.low, rel=0.01)
    assert ours.high == pytest.approx(theirs.high, rel=0.01)


def test_equal_samples_have_an_interval_of_no_width():
    found = quantile_interval([7, 7, 7], 0.99)
    assert (found.low, found.estimate, found.high) == (7, 7, 7)


@pytest.mark.parametrize(
    ("samples", "quantile"),
    [([], 0.5), ([1], 0.5), ([1, float("nan")], 0.5), ([1, -2], 0.5), ([1, 2], 1.0), ([1, 2], 0)],
)
def test_samples_that_are_no_durations_are_refused(samples, quantile):
    with pytest.raises(InputError):
        quantile_interval(samples, quantile)
