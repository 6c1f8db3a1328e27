"""MLPerf LoadGen's early stopping: how many queries make a tail latency believable.

A run passes a bound at percentile ``p`` when enough queries were under it for the few that were
over. The estimate of a percentile is the smallest bound that this run would have passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.bench.intervals import checked_samples
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["CONFIDENCE", "EarlyStop", "early_stop", "fewest_queries", "h_min"]

#: Confidence and tolerance of the published rules.
CONFIDENCE = 0.99
TOLERANCE = 0.0


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """What LoadGen's rule says about one run.

    Attributes:
        percentile: Level, e.g. 0.99.
        estimate_ns: The percentile's conservative estimate; ``None`` with a `reason`.
        discarded: Slowest queries that the estimate leaves out, plus one; ``None`` likewise.
        n: Queries of the run.
        queries_needed: Fewest queries from which an estimate exists.
        reason: Why there is no estimate.
    """

    percentile: float
    estimate_ns: float | None
    discarded: int | None
    n: int
    queries_needed: int
    reason: str | None = None


@lru_cache(maxsize=65536)
def h_min(
    over: int, percentile: float, *, tolerance: float = TOLERANCE, confidence: float = CONFIDENCE
) -> int:
    """Fewest queries under the bound that outweigh ``over`` queries above it.

    Raises:
        InputError: A value outside its range.

    Source:
        MLCommons inference rules, "Early stopping": the smallest ``h`` with
        ``I_{p - d}(h, t + 1) <= 1 - c`` (regularised incomplete beta function).
    """
    from scipy.special import betainc

    chance = percentile - tolerance
    if over < 0 or not 0 < chance < 1 or not 0 < confidence < 1:
        raise InputError(f"no rule for {over} over p{percentile * 100:g} at {confidence:.1%}")
    low, high = 0, 1
    while betainc(high, over + 1, chance) > 1 - confidence:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if betainc(middle, over + 1, chance) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def fewest_queries(percentile: float, *, confidence: float = CONFIDENCE) -> int:
    """Queries below which the percentile has no estimate: 64 for p90, 662 for p99."""
    return h_min(1, percentile, confidence=confidence) + 1


def early_stop(
    samples_ns: ArrayLike, percentile: float, *, confidence: float = CONFIDENCE
) -> EarlyStop:
    """Estimate a percentile so that it would have passed, whatever order the queries came in.

    Raises:
        InputError: Samples that are no durations, or a percentile outside its range.
    """
    samples = np.sort(checked_samples(samples_ns))
    n, needed = len(samples), fewest_queries(percentile, confidence=confidence)
    if n < needed:
        reason = f"{n} queries; p{percentile * 100:g} needs {needed}"
        return EarlyStop(percentile, None, None, n, needed, reason)
    low, high = 1, n
    while high - low > 1:
        middle = (low + high) // 2
        if h_min(middle, percentile, confidence=confidence) + middle <= n:
            low = middle
        else:
            high = middle
    return EarlyStop(percentile, float(samples[n - low]), low, n, needed)
