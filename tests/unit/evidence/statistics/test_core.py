import itertools

import numpy as np
import pytest
from scipy import stats

from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.evidence.statistics import (
    Noise,
    adjust,
    correlate,
    early_stop,
    effect_sizes,
    h_min,
    minimum_detectable,
    modified_z,
    noise_of,
    outliers,
    runs_needed,
    samples_needed,
    z_scores,
)
from ipfs_accelerate.evidence.statistics.early_stopping import fewest_queries
from ipfs_accelerate.evidence.statistics.effects import (
    cliffs_delta,
    hodges_lehmann,
    shift_interval,
)

RNG = np.random.default_rng(0)


def test_early_stopping_agrees_with_the_published_vectors():
    assert h_min(0, 0.99) == 459
    assert (fewest_queries(0.9), fewest_queries(0.99)) == (64, 662)


def test_the_rule_is_the_smallest_count_that_passes():
    for over, p in itertools.product((0, 1, 5, 40), (0.9, 0.99)):
        h = h_min(over, p)
        assert (
            stats.binom.cdf(over, h + over, 1 - p)
            <= 0.01
            < stats.binom.cdf(over, h - 1 + over, 1 - p)
        )


def test_an_early_estimate_is_the_maximum_at_the_floor_and_is_refused_below():
    samples = RNG.permutation(np.arange(1, 663))
    assert early_stop(samples, 0.99).estimate_ns == 662
    below = early_stop(samples[:661], 0.99)
    assert below.estimate_ns is None
    assert below.queries_needed == 662
    assert "661 queries" in below.reason


def test_an_early_estimate_lies_above_the_sample_percentile():
    samples = RNG.lognormal(0, 1, 20_000)
    assert np.quantile(samples, 0.99) < early_stop(samples, 0.99).estimate_ns < samples.max()


def test_hodges_lehmann_is_the_median_of_all_differences():
    for n, m in ((5, 7), (10, 10), (31, 4)):
        a, b = RNG.integers(1, 50, n), RNG.integers(1, 50, m)
        assert hodges_lehmann(a, b) == pytest.approx(np.median(b[:, None] - a[None, :]))


def test_cliffs_delta_counts_pairs_and_ties_count_for_neither():
    a, b = RNG.integers(1, 9, 40), RNG.integers(2, 12, 30)
    assert cliffs_delta(a, b) == pytest.approx(np.sign(b[:, None] - a[None, :]).mean())
    assert cliffs_delta([1, 2], [1, 2]) == 0


def test_effect_sizes_agree_on_the_direction():
    a = RNG.lognormal(10, 0.05, 400)
    found = effect_sizes(a, a * 1.1 * RNG.lognormal(0, 0.01, 400))
    assert found.verdict == "slower"
    assert found.low < 1.1 < found.high
    assert found.shift_ns > 0 < found.cliffs_delta
    assert found.to_dict()["n_a"] == 400


def test_a_planned_number_of_samples_finds_the_wanted_effect():
    noise = noise_of(median_interval(RNG.lognormal(10, 0.05, 4000)))
    n = samples_needed(noise, 0.02)
    assert minimum_detectable(noise, n) == pytest.approx(0.02, rel=0.01)
    found = sum(
        effect_sizes(RNG.lognormal(10, 0.05, n), 1.02 * RNG.lognormal(10, 0.05, n)).verdict
        == "slower"
        for _ in range(60)
    )
    assert found >= 36  # 48 are expected; 36 is four deviations below


def test_more_samples_never_replace_more_runs():
    noise = Noise(per_sample=0.1, between_runs=0.02)
    assert samples_needed(noise, 0.02) is None
    runs = runs_needed(noise, 0.02, 1000)
    assert minimum_detectable(noise, 1000, runs=runs) <= 0.02
    assert minimum_detectable(noise, 1000, runs=runs - 1) > 0.02


def test_a_plan_without_noise_or_size_is_refused():
    with pytest.raises(InputError):
        noise_of(median_interval([0, 0, 0]))
    with pytest.raises(InputError):
        minimum_detectable(Noise(0.1), 0)


@pytest.mark.parametrize(
    ("method", "rival"), [("benjamini-hochberg", "bh"), ("benjamini-yekutieli", "by")]
)
def test_false_discovery_control_agrees_with_scipy(method, rival):
    p = RNG.random(50) ** 3
    assert adjust(p, method) == pytest.approx(stats.false_discovery_control(p, method=rival))


def test_holm_agrees_with_a_worked_example():
    assert adjust([0.01, 0.04, 0.03, 0.005], "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_what_is_no_probability_is_refused_and_nothing_stays_nothing():
    with pytest.raises(InputError):
        adjust([0.5, float("nan")])
    with pytest.raises(UnknownNameError):
        adjust([0.5], "bonferoni")
    assert len(adjust([])) == 0


def test_a_robust_score_finds_what_hides_from_the_plain_one():
    values = [10.0, 10.1, 9.9, 10.05, 9.95, 50.0, 52.0]
    assert list(outliers(values)) == [5, 6]
    assert np.abs(z_scores(values)).max() < 3


def test_scores_of_mostly_equal_values_fall_back_and_of_equal_ones_are_zero():
    assert list(outliers([5.0] * 20 + [9.0])) == [20]
    assert not modified_z([5.0] * 4).any()
    assert not z_scores([5.0]).any()
    with pytest.raises(InputError):
        modified_z([1.0, float("inf")])


@pytest.mark.parametrize(
    ("kind", "rival"),
    [("pearson", stats.pearsonr), ("spearman", stats.spearmanr), ("kendall", stats.kendalltau)],
)
def test_coefficients_agree_with_scipy(kind, rival):
    rng = np.random.default_rng(11)
    x = rng.normal(size=200)
    y = 0.3 * x + rng.normal(size=200)
    ours, theirs = correlate(x, y, kind), rival(x, y)
    assert ours.coefficient == pytest.approx(theirs.statistic)
    assert np.log10(ours.p_value) == pytest.approx(np.log10(theirs.pvalue), rel=0.25)


def test_two_unrelated_wanders_are_not_called_correlated():
    rng = np.random.default_rng(7)
    walks = [np.convolve(rng.normal(size=340), np.ones(40), "valid") for _ in range(200)]
    pairs = list(zip(walks[::2], walks[1::2], strict=True))
    ours = sum(correlate(a, b, "pearson").p_value < 0.05 for a, b in pairs)
    naive = sum(stats.pearsonr(a, b).pvalue < 0.05 for a, b in pairs)
    assert ours < 20 < naive


def test_correlation_of_constant_or_few_pairs_has_a_reason():
    assert correlate([1, 1, 1, 1], [1, 2, 3, 4]).reason == "one side is constant"
    assert correlate([1, 2], [1, 2]).coefficient is None
    with pytest.raises(InputError):
        correlate([1, 2], [1, 2, 3])


def test_the_interval_of_a_shift_covers_it_as_often_as_it_says():
    rng, covered = np.random.default_rng(5), 0
    for _ in range(150):
        a, b = 100 + rng.exponential(5, 60), 101 + rng.exponential(5, 45)
        low, high = shift_interval(a, b)
        covered += low <= 1.0 <= high
    assert 134 <= covered <= 149
    assert shift_interval([1.0, 2.0], [3.0, 4.0]) == (-np.inf, np.inf)
