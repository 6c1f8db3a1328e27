from types import SimpleNamespace

import numpy as np
import pytest

from ipfs_accelerate.evidence.regressions import CaseKey, CaseSeries
from ipfs_accelerate.evidence.timing import find_trends
from ipfs_accelerate.evidence.timing.trends import NEWEST_RUNS

KEY = CaseKey("org/model", "host", "cpu", "Test CPU", "torch/cpu/fp32", "feature-extraction/b1")


def series(levels, facts=None):
    facts = facts or [{"version of torch": "2"}] * len(levels)
    points = [
        SimpleNamespace(run_id=f"run{n}", median_ns=level * 1e6, facts=facts[n])
        for n, level in enumerate(levels)
    ]
    return CaseSeries(KEY, tuple(points), {})


def test_a_steady_rise_is_a_trend_with_its_slope_and_interval():
    noise = np.random.default_rng(0).lognormal(0, 0.002, 12)
    (trend,) = find_trends([series(list(5 * 1.01 ** np.arange(12) * noise))])
    assert trend.verdict == "slower"
    assert trend.slope_per_run == pytest.approx(0.01, rel=0.1)
    assert trend.low < trend.slope_per_run < trend.high
    assert (trend.first_run, trend.last_run) == ("run0", "run11")


def test_noise_and_constants_show_none():
    noise = list(np.random.default_rng(1).lognormal(0, 0.02, 12))
    found = find_trends([series(noise), series([5.0] * 6)])
    assert [trend.verdict for trend in found] == ["none shown", "none shown"]
    assert found[1].slope_per_run == 0.0


def test_four_runs_are_too_few():
    (trend,) = find_trends([series([5.0, 6.0, 7.0, 8.0])])
    assert (trend.verdict, trend.slope_per_run) == ("too few runs", None)
    assert "5 are the fewest" in trend.reason


def test_runs_of_another_environment_do_not_enter():
    facts = [{"version of torch": "1"}] * 6 + [{"version of torch": "2"}] * 6
    (trend,) = find_trends([series([5.0] * 6 + [8.0] * 6, facts)])
    assert (trend.runs, trend.comparable) == (12, 6)
    assert trend.slope_per_run == 0.0


def test_only_the_newest_runs_of_a_long_history_enter():
    rise = [5.0 * 1.05**n for n in range(20)] + [20.0] * NEWEST_RUNS
    (trend,) = find_trends([series(rise)])
    assert (trend.runs, trend.comparable) == (20 + NEWEST_RUNS, NEWEST_RUNS)
    assert trend.verdict == "none shown"
