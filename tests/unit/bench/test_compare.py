"""A verdict is given only where the series support it."""

import numpy as np
import pytest

from ipfs_accelerate.bench.compare import compare, rank
from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.errors import InputError


def series(seed: int, *, n: int = 400, scale: float = 0.05, level: float = 1e6) -> np.ndarray:
    return level * np.exp(scale * np.random.default_rng(seed).standard_normal(n))


def wander(n: int = 400) -> np.ndarray:
    phase = np.arange(n)
    return np.exp(0.1 * np.sin(phase / 9) + 0.1 * np.sin(phase / 31))


def test_a_clear_gain_is_faster_and_its_mirror_slower():
    gain = compare(series(1), series(2, level=0.8e6))
    assert gain.verdict == "faster"
    assert gain.low < gain.ratio < gain.high < 1
    assert compare(series(2, level=0.8e6), series(1)).verdict == "slower"


def test_equal_series_with_enough_samples_are_called_equal():
    found = compare(series(1), series(2))
    assert found.verdict == "no difference"
    assert found.minimum_detectable <= 0.03


def test_equal_series_with_too_few_samples_are_inconclusive():
    found = compare(series(1, n=30, scale=0.3), series(2, n=30, scale=0.3))
    assert found.verdict == "inconclusive"
    assert found.minimum_detectable > 0.03


def test_a_shared_disturbance_cancels_only_between_partners():
    a, b = series(1) * wander(), series(2, level=0.95e6) * wander()
    paired, unpaired = compare(a, b, interleaved=True), compare(a, b)
    assert paired.ratio == pytest.approx(unpaired.ratio, rel=1e-3)
    assert paired.high - paired.low < 0.5 * (unpaired.high - unpaired.low)


def test_interleaved_series_of_unequal_length_are_not_paired():
    assert compare(series(1), series(2, n=300), interleaved=True).method.endswith("(MOVER)")


def test_a_series_equals_itself():
    found = compare(series(1), series(1), interleaved=True)
    assert (found.low, found.ratio, found.high) == (1.0, 1.0, 1.0)
    assert found.verdict == "no difference"


@pytest.mark.parametrize("n", [2, 10, 29, 30, 31])
def test_short_pairs_have_an_interval_around_their_ratio(n: int):
    found = compare(series(1, n=n), series(2, n=n), interleaved=True)
    assert found.low <= found.ratio <= found.high


def test_constant_series_differ_exactly():
    found = compare([100] * 30, [90] * 30)
    assert (found.low, found.high, found.verdict) == (
        pytest.approx(0.9),
        pytest.approx(0.9),
        "faster",
    )


@pytest.mark.parametrize(
    ("a", "b"), [([], [1, 2]), ([1, 2], [3]), ([1, 2, 0], [1, 2, 3]), ([1, 2], [1, float("nan")])]
)
def test_what_has_no_ratio_is_refused(a: list[float], b: list[float]):
    with pytest.raises(InputError):
        compare(a, b)


def test_a_negligible_difference_of_nothing_is_refused():
    with pytest.raises(InputError, match="negligible"):
        compare([1, 2], [1, 2], negligible=0)


def test_those_that_cannot_be_told_apart_share_a_rank():
    levels = {"a": 1.0, "b": 1.001, "c": 1.3, "d": 2.0}
    found = {k: median_interval(series(i, level=v)) for i, (k, v) in enumerate(levels.items())}
    assert [set(group) for group in rank(found)] == [{"a", "b"}, {"c"}, {"d"}]


def test_small_steps_do_not_tie_the_first_with_the_last():
    found = {str(i): median_interval(series(0, level=1e6 * 1.01**i)) for i in range(10)}
    groups = rank(found)
    assert len(groups) > 2
    assert groups[0][0] == "0"
    assert groups[-1][-1] == "9"


def test_intervals_of_different_level_are_not_ranked_together():
    mixed = {"a": median_interval([1, 2], confidence=0.9), "b": median_interval([1, 2])}
    with pytest.raises(InputError):
        rank(mixed)
    assert rank({}) == []
