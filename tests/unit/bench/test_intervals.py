"""The interval covers what it says, and refuses or warns where it cannot."""

import numpy as np
import pytest
from scipy import signal

from ipfs_accelerate.bench.intervals import MIN_EFFECTIVE, interval_rows, median_interval
from ipfs_accelerate.errors import InputError


def ar_rows(phi: float, rows: int, n: int) -> np.ndarray:
    noise = np.random.default_rng(7).standard_normal((rows, n)) * np.sqrt(1 - phi**2)
    noise[:, 0] /= np.sqrt(1 - phi**2)
    return np.exp(signal.lfilter([1.0], [1.0, -phi], noise, axis=1))


@pytest.mark.parametrize(("phi", "n"), [(0.0, 200), (0.3, 200), (0.6, 200), (0.9, 1000)])
def test_covers_the_true_median_at_the_nominal_rate(phi: float, n: int):
    low, high, _ = interval_rows(ar_rows(phi, 1000, n), confidence=0.95)
    covered = np.mean((low <= 1.0) & (high >= 1.0))
    assert abs(covered - 0.95) < 0.02  # three standard errors of a thousand series


def test_dependent_samples_count_for_fewer():
    _, _, independent = interval_rows(ar_rows(0.0, 50, 500), confidence=0.95)
    _, _, dependent = interval_rows(ar_rows(0.9, 50, 500), confidence=0.95)
    assert np.median(independent) > 450
    assert np.median(dependent) < 100


def test_a_wider_level_gives_a_wider_interval():
    samples = ar_rows(0.3, 1, 100)[0]
    narrow, wide = (median_interval(samples, confidence=c) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_coarse_clock_does_not_widen_the_interval_beyond_its_tick():
    ticks = np.round(ar_rows(0.0, 1, 1000)[0] ** 0.3, 1)
    assert median_interval(ticks).relative_width <= 0.11


@pytest.mark.parametrize("n", [2, 3, 5])
def test_too_few_samples_are_said_to_be_too_few(n: int):
    found = median_interval(np.arange(1.0, n + 1))
    assert (found.low, found.high) == (1.0, n)
    assert found.caution is not None
    assert "covers at most" in found.caution


def test_a_series_as_long_as_its_own_dependence_is_cautioned():
    found = median_interval(1000 + np.sin(np.arange(200) / 40))
    assert found.effective_n < MIN_EFFECTIVE
    assert found.caution is not None
    assert "independent" in found.caution


def test_a_quiet_series_carries_no_caution():
    assert median_interval(ar_rows(0.0, 1, 200)[0]).caution is None


def test_a_series_longer_than_a_segment_is_read_whole():
    found = median_interval(ar_rows(0.0, 1, 20_000)[0])
    assert found.n == 20_000
    assert found.effective_n > 19_000


@pytest.mark.parametrize(
    "samples",
    [[], [5], [[1, 2], [3, 4]], [1.0, float("nan")], [1.0, float("inf")], [1, -1], ["a", "b"]],
)
def test_what_is_no_series_is_refused(samples: object):
    with pytest.raises(InputError):
        median_interval(samples)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("confidence", [0.0, 0.3, 1.0, 1.5, float("nan")])
def test_a_level_that_is_none_is_refused(confidence: float):
    with pytest.raises(InputError, match="confidence"):
        median_interval([1, 2, 3], confidence=confidence)
