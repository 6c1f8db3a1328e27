"""What must hold for every series, however odd."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ipfs_accelerate.bench.compare import compare
from ipfs_accelerate.bench.intervals import median_interval

SERIES = npst.arrays(np.int64, st.integers(2, 40), elements=st.integers(1, 10**12))
LEVELS = st.floats(0.5, 0.999)
MANY = settings(max_examples=40, deadline=None)


@MANY
@given(SERIES, LEVELS)
def test_the_interval_contains_the_median_and_stays_in_range(samples, confidence):
    found = median_interval(samples, confidence=confidence)
    slack = 1e-9 * found.median
    assert samples.min() - slack <= found.low <= found.median + slack
    assert found.median - slack <= found.high <= samples.max() + slack
    assert 0 < found.effective_n <= len(samples) + 1e-6


@MANY
@given(SERIES, st.sampled_from([2, 16, 1024]))
def test_the_interval_scales_with_the_samples(samples, factor):
    plain, scaled = median_interval(samples), median_interval(samples * factor)
    assert scaled.low == pytest.approx(plain.low * factor)
    assert scaled.high == pytest.approx(plain.high * factor)
    assert scaled.effective_n == plain.effective_n


@MANY
@given(SERIES)
def test_an_order_preserving_transform_moves_the_ends_between_the_same_neighbours(samples):
    plain = median_interval(samples)
    bent = median_interval(np.sqrt(samples.astype(np.float64)))
    ordered = np.sort(samples)
    for end, image in ((plain.low, bent.low), (plain.high, bent.high)):
        below = ordered[max(0, np.searchsorted(ordered, end * (1 + 1e-12), "right") - 1)]
        above = ordered[min(len(ordered) - 1, np.searchsorted(ordered, end * (1 - 1e-12)))]
        assert np.sqrt(below) * (1 - 1e-9) <= image <= np.sqrt(above) * (1 + 1e-9)


@MANY
@given(SERIES, LEVELS, LEVELS)
def test_more_confidence_is_never_narrower(samples, one, other):
    narrow, wide = (median_interval(samples, confidence=c) for c in sorted((one, other)))
    slack = 1e-9 * narrow.median
    assert wide.low <= narrow.low + slack
    assert wide.high >= narrow.high - slack


@MANY
@given(st.integers(0, 10**15), st.integers(2, 40))
def test_a_constant_series_has_no_width(value, n):
    found = median_interval(np.full(n, value))
    assert found.low == found.median == found.high == value
    assert found.relative_width == 0.0


@MANY
@given(SERIES, SERIES)
def test_swapping_the_sides_mirrors_the_comparison(a, b):
    there, back = compare(a, b), compare(b, a)
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.low == pytest.approx(1 / back.high)
    mirror = {"faster": "slower", "slower": "faster"}
    assert back.verdict == mirror.get(there.verdict, there.verdict)
