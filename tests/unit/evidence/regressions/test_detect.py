import numpy as np
import pytest

from ipfs_accelerate.evidence.regressions import find_changes, forecast_next
from ipfs_accelerate.evidence.regressions.detect import largest_step
from ipfs_accelerate.evidence.regressions.findings import ALPHA

LEVEL = 1e6


def runs(seed, n=40, noise=0.004):
    return LEVEL * np.exp(noise * np.random.default_rng(seed).standard_normal(n))


def changes(medians, errors=None, alpha=ALPHA):
    errors = np.full(len(medians), 0.001) if errors is None else errors
    return find_changes(medians, errors, alpha=alpha)


def test_a_shift_of_two_percent_is_found_where_it_is_with_its_size():
    medians = runs(0)
    medians[25:] *= 1.02
    (found,) = changes(medians)
    assert (found.kind, found.index) == ("step", 25)
    assert 1 < found.low < 1.02 < found.high < 1.03


def test_a_series_without_change_stays_silent():
    assert sum(len(changes(runs(seed))) for seed in range(60)) <= 1


def test_heavy_tails_and_lone_disturbed_runs_are_no_change():
    alarms = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        medians = runs(seed)
        medians[rng.random(40) < 0.15] *= 1.35
        alarms += len([c for c in changes(medians) if c.kind == "step"])
    assert alarms <= 1


def test_a_shift_is_found_among_disturbed_runs():
    hits = 0
    for seed in range(20):
        medians = runs(seed)
        medians[20:] *= 1.02
        medians[np.random.default_rng(seed).random(40) < 0.15] *= 1.35
        hits += any(abs(c.index - 20) <= 3 and c.ratio > 1 for c in changes(medians))
    assert hits >= 18


def test_a_last_spell_like_earlier_ones_is_not_called_a_change():
    medians = runs(3)
    medians[[8, 9, 10, 20, 21, 22]] *= 1.3
    medians[-3:] *= 1.3
    assert [c for c in changes(medians) if c.kind == "step"] == []


def test_two_steps_are_both_found():
    medians = runs(4, n=60)
    medians[20:40] *= 1.05
    assert [c.index for c in changes(medians)] == [20, 40]


def test_a_slope_is_called_drift():
    medians = runs(5) * np.exp(0.002 * np.arange(40))
    assert [c.kind for c in changes(medians)] == ["drift"]


def test_more_scatter_at_the_same_level_is_called_variance():
    medians = runs(6, n=60)
    medians[30:] = LEVEL * (medians[30:] / LEVEL) ** 8
    (found,) = changes(medians)
    assert found.kind == "variance"
    assert found.low > 1


def test_runs_with_wide_intervals_count_for_less():
    medians, errors = runs(7), np.full(40, 0.001)
    medians[36:] *= 1.03
    assert largest_step(np.log(medians), errors).p_value < 0.001
    errors[36:] = 0.05
    assert largest_step(np.log(medians), errors).p_value > 0.1


@pytest.mark.parametrize("medians", [[], [1.0], [1e6] * 30, [1e6, 2e6, 1e6, 2e6]])
def test_few_or_equal_runs_say_nothing(medians):
    assert changes(np.array(medians, dtype=float)) == []


def test_a_forecast_is_marked_predicted_and_covers_the_next_run():
    inside = 0
    for seed in range(100):
        medians = runs(seed, n=21)
        found = forecast_next(medians[:20])
        inside += found.low_ns <= medians[20] <= found.high_ns
    assert found.origin == "predicted"
    assert inside >= 88


def test_a_forecast_follows_a_trend_and_refuses_a_short_history():
    rising = runs(9, n=30) * np.exp(0.01 * np.arange(30))
    found = forecast_next(rising)
    assert found.slope_per_run == pytest.approx(0.01, rel=0.1)
    assert found.median_ns > rising[-5:].max() * 0.995
    assert forecast_next(rising[:3]).reason.startswith("3 runs")
    assert forecast_next(np.full(10, LEVEL)).low_ns == pytest.approx(LEVEL)
