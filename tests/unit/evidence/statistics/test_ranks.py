"""Our ranks agree with the library that we do not want to load for them."""

import numpy as np
import pytest
from scipy import stats

from ipfs_accelerate.evidence.statistics.ranks import kendall_p_value, kendall_tau, ranks


@pytest.mark.parametrize("n", [4, 7, 33, 34, 200, 1001])
@pytest.mark.parametrize("levels", [3, 10**6])
def test_ranks_and_tau_are_those_of_scipy(n, levels):
    rng = np.random.default_rng(n)
    a = rng.integers(0, levels, n).astype(float)
    b = np.round(a / levels * 4) + rng.integers(0, levels, n)
    assert ranks(a) == pytest.approx(stats.rankdata(a))
    assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)


@pytest.mark.parametrize("n", [4, 6, 12, 33, 60])
def test_the_probability_of_tau_is_that_of_scipy(n):
    for seed in range(20):
        b = np.random.default_rng(seed).permutation(n).astype(float)
        found = stats.kendalltau(np.arange(n), b, method="exact" if n <= 33 else "asymptotic")
        assert kendall_p_value(found.statistic, n) == pytest.approx(found.pvalue, rel=1e-9)
