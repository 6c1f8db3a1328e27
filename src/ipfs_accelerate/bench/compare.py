"""Is B faster than A: ratio of medians with an interval, a verdict, and ranks with ties."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np

from ipfs_accelerate.bench.intervals import (
    MIN_EFFECTIVE,
    checked_samples,
    mean_half_width,
    median_interval,
)
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from ipfs_accelerate.bench.intervals import Interval

__all__ = ["Comparison", "Verdict", "compare", "rank"]

Verdict = Literal["faster", "slower", "no difference", "inconclusive"]
#: Relative difference below which two targets may be called equal.
NEGLIGIBLE = 0.03
_POWER = 0.8
_FEWEST_PAIRS = 30


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known about ``median(b) / median(a)``.

    Attributes:
        ratio: Below 1 when ``b`` takes less time.
        low: Lower end of its interval.
        high: Upper end.
        confidence: Nominal level of the interval.
        verdict: About ``b``: ``faster`` or ``slower`` when the interval excludes 1; ``no
            difference`` when it does not, although a relevant difference would have been found;
            else ``inconclusive``.
        minimum_detectable: Relative difference that would have been found with a power of 80 %.
        n_a: Samples of ``a``.
        n_b: Samples of ``b``.
        method: How the interval was computed.
        caution: Why it may cover less than ``confidence``; ``None`` when nothing was found.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    verdict: Verdict
    minimum_detectable: float
    n_a: int
    n_b: int
    method: str
    caution: str | None = None


def compare(
    a: ArrayLike,
    b: ArrayLike,
    *,
    confidence: float = 0.95,
    interleaved: bool = False,
    negligible: float = NEGLIGIBLE,
) -> Comparison:
    """Compare two latency series by the ratio of their medians.

    Interleaved series share what happened to the machine. Their interval comes from the joint
    process of both medians' errors, in which a shared disturbance cancels. Otherwise the intervals
    of both medians are combined on a logarithmic scale, each side by its own half-width.

    Args:
        a: Baseline, ns, positive, in order.
        b: Candidate, likewise.
        confidence: Nominal coverage of the interval of the ratio.
        interleaved: Whether call ``i`` of ``b`` was made next to call ``i`` of ``a``. Has no effect
            on series of different length: they have no partners.
        negligible: Relative difference below which "no difference" may be said.

    Raises:
        InputError: A series no interval can be computed from, a zero sample, or a confidence or
            negligible difference outside its range.

    Source:
        Zou & Donner (2008), Construction of confidence limits about effect measures, Statist. Med.
        27 (MOVER); measured error rates: ``benchmarks/comparison_power.py``.
    """
    first, second = _checked(a, "a"), _checked(b, "b")
    if negligible <= 0:
        raise InputError(f"a negligible difference of {negligible!r} can never be shown")
    joint = None
    if interleaved and len(first) == len(second):
        joint = _jointly(np.log(first), np.log(second), confidence)
    found = joint or _separately(first, second, confidence)
    detectable = _minimum_detectable(found, confidence)
    return Comparison(
        ratio=float(np.exp(found.median)),
        low=float(np.exp(found.low)),
        high=float(np.exp(found.high)),
        confidence=confidence,
        verdict=_verdict(found, detectable, negligible),
        minimum_detectable=detectable,
        n_a=len(first),
        n_b=len(second),
        method="ratio of medians, " + ("joint errors" if joint else "intervals combined (MOVER)"),
        caution=found.caution,
    )


@dataclass(frozen=True, slots=True)
class _LogRatio:
    low: float
    median: float
    high: float
    caution: str | None


def _checked(samples_ns: ArrayLike, name: str) -> NDArray[np.float64]:
    samples = checked_samples(samples_ns)
    if np.any(samples == 0):
        raise InputError(f"series {name} has a sample of 0 ns, which has no ratio")
    return samples


def _separately(a: NDArray[np.float64], b: NDArray[np.float64], confidence: float) -> _LogRatio:
    first, second = (median_interval(x, confidence=confidence) for x in (a, b))
    low_a, mid_a, high_a = np.log([first.low, first.median, first.high])
    low_b, mid_b, high_b = np.log([second.low, second.median, second.high])
    ratio = float(mid_b - mid_a)
    down = float(np.hypot(mid_b - low_b, high_a - mid_a))
    up = float(np.hypot(high_b - mid_b, mid_a - low_a))
    return _LogRatio(ratio - down, ratio, ratio + up, first.caution or second.caution)


def _jointly(a: NDArray[np.float64], b: NDArray[np.float64], confidence: float) -> _LogRatio | None:
    """Interval from the difference of the medians' influence functions.

    Returns:
        ``None`` where ties or too few samples leave the density at a median unknown.

    Source:
        Bahadur (1966), A note on quantiles in large samples, Ann. Math. Statist. 37.
    """
    errors = [_median_error(x) for x in (a, b)]
    if errors[0] is None or errors[1] is None:
        return None
    ratio = float(np.median(b) - np.median(a))
    difference = errors[1] - errors[0]
    if not difference.any():  # the medians move as one
        return _LogRatio(ratio, ratio, ratio, None)
    half, effective = mean_half_width(difference, confidence=confidence)
    caution = None
    if effective < MIN_EFFECTIVE:
        caution = f"{len(a)} pairs are worth only {effective:.0f} independent ones"
    return _LogRatio(ratio - half, ratio, ratio + half, caution)


def _median_error(logs: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """How much each sample moves the median: its sign over twice the density there.

    Source:
        Hall & Sheather (1988), On the distribution of a Studentized quantile, J. R. Statist. Soc. B
        50: the density from samples within ``0.97 n^(-1/3)`` of the middle rank.
    """
    n = len(logs)
    reach = round(0.97 * n ** (2 / 3))
    middle, ordered = n // 2, np.sort(logs)
    if n < _FEWEST_PAIRS or ordered[middle + reach] == ordered[middle - reach]:
        return None
    spacing = (ordered[middle + reach] - ordered[middle - reach]) * n / (2 * reach)
    error: NDArray[np.float64] = 0.5 * spacing * np.sign(logs - np.median(logs))
    return error


def _minimum_detectable(ratio: _LogRatio, confidence: float) -> float:
    """Smallest relative difference found with the stated power, from the width of the interval."""
    normal = NormalDist()
    critical = normal.inv_cdf(0.5 + confidence / 2)
    error = max(ratio.high - ratio.median, ratio.median - ratio.low) / critical
    return float(np.expm1(error * (critical + normal.inv_cdf(_POWER))))


def _verdict(ratio: _LogRatio, detectable: float, negligible: float) -> Verdict:
    if ratio.high < 0:
        return "faster"
    if ratio.low > 0:
        return "slower"
    if detectable <= negligible and ratio.caution is None:
        return "no difference"
    return "inconclusive"


def rank(intervals: Mapping[str, Interval]) -> Sequence[tuple[str, ...]]:
    """Groups of names from fastest to slowest; members of a group share a rank.

    A name opens a new group when it is slower than the *fastest* of the current group by more than
    chance explains (two-sided, at the confidence of the intervals), so that a chain of small
    steps does not tie the first with the last.

    Raises:
        InputError: The intervals have different confidence.
    """
    if len({interval.confidence for interval in intervals.values()}) > 1:
        raise InputError("intervals of different confidence cannot be ranked together")
    groups: list[list[str]] = []
    for name in sorted(intervals, key=lambda name: (intervals[name].median, name)):
        if groups and not _is_slower(intervals[name], intervals[groups[-1][0]]):
            groups[-1].append(name)
        else:
            groups.append([name])
    return [tuple(group) for group in groups]


def _is_slower(slow: Interval, fast: Interval) -> bool:
    gap = slow.median - fast.median
    return gap > float(np.hypot(slow.median - slow.low, fast.high - fast.median))
