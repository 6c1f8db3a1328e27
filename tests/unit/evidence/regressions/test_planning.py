"""The planned number of runs finds the shift it was planned for."""

import numpy as np
import pytest

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.regressions import find_changes, plan_runs
from ipfs_accelerate.evidence.regressions.detect import ALPHA


def runs(rng, n, modes):
    """Medians with 1 % noise; a third of the runs 36 % higher, as beside a busy neighbour."""
    logs = 0.01 * rng.standard_normal(n) + np.where(rng.random(n) < 0.33, 0.31, 0.0) * modes
    return 1e6 * np.exp(logs)


@pytest.mark.parametrize("modes", [0, 1])
def test_the_planned_runs_find_a_shift_of_two_percent(modes):
    rng = np.random.default_rng(1)
    plan = plan_runs(runs(rng, 80, modes), np.full(80, 0.002), 100)
    assert 10 <= plan.runs <= 80
    found = 0
    for _ in range(40):
        medians = runs(rng, 2 * plan.runs, modes)
        medians[plan.runs :] *= 1.02
        changes = find_changes(medians, np.full(len(medians), 0.002), alpha=ALPHA)
        found += any(1.005 < change.ratio < 1.04 for change in changes)
    assert found >= 35


def test_wide_intervals_ask_for_more_samples_and_noise_for_more_runs():
    rng = np.random.default_rng(2)
    logs = 0.01 * rng.standard_normal(60)
    calm, wild = (plan_runs(1e6 * np.exp(k * logs), np.full(60, 0.001), 50) for k in (1, 3))
    assert wild.runs > 3 * calm.runs
    assert calm.samples == 50
    assert plan_runs(1e6 * np.exp(logs), np.full(60, 0.008), 50).samples > 100


def test_too_few_runs_and_values_outside_their_range_are_refused():
    assert plan_runs(np.full(5, 1e6), np.zeros(5), 50).reason.startswith("5 runs")
    assert plan_runs(np.full(30, 1e6), np.zeros(30), 50).runs == 3
    for bad in ({"effect": 0.0}, {"power": 1.0}, {"alpha": 0.0}):
        with pytest.raises(InputError):
            plan_runs(np.full(30, 1e6), np.zeros(30), 50, **bad)
