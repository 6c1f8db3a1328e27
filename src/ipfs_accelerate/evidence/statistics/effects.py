"""How large a difference is, in units people and programs can use."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.bench.compare import compare
from ipfs_accelerate.bench.intervals import checked_samples, median_interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["EffectSizes", "cliffs_delta", "effect_sizes", "hodges_lehmann", "shift_interval"]

_HALVINGS = 200


@dataclass(frozen=True, slots=True)
class EffectSizes:
    """What is known about ``b`` against ``a``.

    Attributes:
        ratio: ``median(b) / median(a)``; below 1 when ``b`` takes less time.
        low: Lower end of its interval.
        high: Upper end.
        confidence: Level of the interval.
        shift_ns: Hodges-Lehmann shift: median of all differences ``b - a``.
        cliffs_delta: Probability that a call of ``b`` is slower minus that it is faster, -1 to 1.
        verdict: About ``b``, see `bench.compare.Comparison`.
        minimum_detectable: Relative difference that would have been found with a power of 80 %.
        n_a: Samples of ``a``.
        n_b: Samples of ``b``.
        method: How the interval was computed.
        caution: Why it may cover less; ``None`` when nothing was found.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    shift_ns: float
    cliffs_delta: float
    verdict: str
    minimum_detectable: float
    n_a: int
    n_b: int
    method: str
    caution: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


def effect_sizes(
    a: ArrayLike, b: ArrayLike, *, paired: bool = False, confidence: float = 0.95
) -> EffectSizes:
    """Compare two latency series.

    Args:
        a: Baseline, ns, positive, in order.
        b: Candidate, likewise.
        paired: Whether call ``i`` of ``b`` was made next to call ``i`` of ``a``.
        confidence: Of the interval of the ratio.

    Raises:
        InputError: A series nothing can be said about; see `bench.compare.compare`.
    """
    found = compare(a, b, confidence=confidence, interleaved=paired)
    return EffectSizes(
        ratio=found.ratio,
        low=found.low,
        high=found.high,
        confidence=found.confidence,
        shift_ns=hodges_lehmann(a, b),
        cliffs_delta=cliffs_delta(a, b),
        verdict=found.verdict,
        minimum_detectable=found.minimum_detectable,
        n_a=found.n_a,
        n_b=found.n_b,
        method=found.method,
        caution=found.caution,
    )


def hodges_lehmann(a: ArrayLike, b: ArrayLike) -> float:
    """Median of all ``len(a) * len(b)`` differences ``b - a``, found without forming them.

    Source:
        Hodges & Lehmann (1963), Estimates of location based on rank tests, Ann. Math. Statist. 34.
    """
    first, second = np.sort(checked_samples(a)), np.sort(checked_samples(b))
    total = len(first) * len(second)
    lower = _nth_difference(first, second, (total - 1) // 2)
    upper = lower if total % 2 else _nth_difference(first, second, total // 2)
    return (lower + upper) / 2


def shift_interval(a: ArrayLike, b: ArrayLike, *, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the Hodges-Lehmann shift ``b - a``; infinite where the samples are too few.

    Its ends are differences of ranks that are as unlikely to be exceeded as the level says. Samples
    that depend on their past are counted as the independent ones they are worth.

    Raises:
        InputError: A series or a confidence that no interval can be computed from.

    Source:
        Lehmann (1975), Nonparametrics, section 2.3: variance ``m n (m + n + 1) / 12`` of the number
        of pairs, here with effective samples.
    """
    first, second = (np.sort(checked_samples(x)) for x in (a, b))
    worth = [median_interval(x, confidence=confidence).effective_n for x in (a, b)]
    critical = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = critical * np.sqrt((worth[0] + worth[1] + 1) / (12 * worth[0] * worth[1]))
    total = len(first) * len(second)
    rank = math.floor(total * (0.5 - share))
    if rank < 1:
        return -math.inf, math.inf
    low = _nth_difference(first, second, rank - 1)
    return low, _nth_difference(first, second, total - rank)


def cliffs_delta(a: ArrayLike, b: ArrayLike) -> float:
    """Share of pairs in which ``b`` is larger minus the share in which it is smaller.

    Source:
        Cliff (1993), Dominance statistics, Psychological Bulletin 114.
    """
    first, second = np.sort(checked_samples(a)), checked_samples(b)
    below = np.searchsorted(first, second, side="left").sum()
    not_above = np.searchsorted(first, second, side="right").sum()
    total = len(first) * len(second)
    return float((below - (total - not_above)) / total)


def _nth_difference(a: NDArray[np.float64], b: NDArray[np.float64], rank: int) -> float:
    """The difference with ``rank`` smaller ones, by bisection down to one attained value."""
    low, high = float(b[0] - a[-1]), float(b[-1] - a[0])
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        if middle in {low, high}:
            break
        if _count_at_most(a, b, middle) > rank:
            high = middle
        else:
            low = middle
    return low if _count_at_most(a, b, low) > rank else high


def _count_at_most(a: NDArray[np.float64], b: NDArray[np.float64], value: float) -> int:
    """Pairs with ``b - a <= value``."""
    return int((len(a) - np.searchsorted(a, b - value, side="left")).sum())
