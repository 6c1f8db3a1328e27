"""Confidence interval for any quantile (p95, p99, …) of a series whose calls depend on each other.

The order-statistic method of `intervals` with two changes. The miss probabilities are those of
the quantile. And because few calls lie beyond a tail, they say little about their own dependence:
the posterior is the geometric mean of what the signs around the quantile and those around the
median say, in one family of latent processes. The median itself is left to `intervals`.

A tail needs calls beyond it. Where there are too few, there is no interval, only the reason and
the number of calls that would do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.bench._dependence import dependence_model, normalised
from ipfs_accelerate.bench.intervals import (
    MIN_EFFECTIVE,
    checked_confidence,
    checked_samples,
    interval_rows,
)
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["QuantileInterval", "quantile_interval", "quantile_rows", "samples_for_quantile"]

_FRACTIONS = 800
#: Below this many effective calls beyond the quantile, clusters of slow calls lower the coverage.
_FEWEST_BEYOND = 5.0


@dataclass(frozen=True, slots=True)
class QuantileInterval:
    """A quantile with the interval that covers the true one with probability ``confidence``.

    Attributes:
        quantile: Level, e.g. 0.99.
        estimate: Sample quantile, in the unit of the samples (ns).
        low: Lower end; ``None`` with a `reason`.
        high: Upper end; ``None`` with a `reason`.
        confidence: Nominal level.
        n: Samples.
        effective_n: Independent samples these are worth for this quantile.
        reason: Why there is no interval; ``None`` when there is one.
        samples_needed: Samples of this kind that would give one; ``None`` when there is one.
        caution: Why it may cover less than ``confidence``; ``None`` when nothing was found.
    """

    quantile: float
    estimate: float
    low: float | None
    high: float | None
    confidence: float
    n: int
    effective_n: float
    reason: str | None = None
    samples_needed: int | None = None
    caution: str | None = None


def quantile_interval(
    samples_ns: ArrayLike, quantile: float, *, confidence: float = 0.95
) -> QuantileInterval:
    """Interval for a quantile of a latency series.

    Args:
        samples_ns: Latency of each call in order, ns, at least two, finite and not negative.
        quantile: Between 0 and 1, e.g. 0.99.
        confidence: Nominal coverage, between 0.5 and 0.999.

    Raises:
        InputError: A sample, the quantile or the confidence is outside its range.
    """
    samples = checked_samples(samples_ns)
    checked_confidence(confidence)
    if not 0 < quantile < 1:
        raise InputError(f"quantile {quantile!r} is not between 0 and 1", hint="p99 is 0.99")
    low, high, effective = quantile_rows(samples[None, :], quantile, confidence=confidence)
    n, worth = len(samples), float(effective[0])
    if samples.min() == samples.max():
        low, high, worth = samples[:1], samples[:1], float(n)  # nothing is left to doubt
    is_given = bool(np.isfinite(low[0]) and np.isfinite(high[0]))
    needed = None if is_given else _needed(n, worth, quantile, confidence)
    return QuantileInterval(
        quantile=quantile,
        estimate=float(np.quantile(samples, quantile)),
        low=float(low[0]) if is_given else None,
        high=float(high[0]) if is_given else None,
        confidence=confidence,
        n=n,
        effective_n=worth,
        reason=None if is_given else _reason(n, worth, quantile),
        samples_needed=needed,
        caution=_caution(n, worth, quantile) if is_given else None,
    )


def samples_for_quantile(quantile: float, *, confidence: float = 0.95) -> int:
    """Fewest independent samples from which an interval for the quantile can be given.

    Source:
        All samples lie on one side with probability ``max(q, 1 - q) ** n``.
    """
    tail = (1 - confidence) / 2
    return math.ceil(math.log(tail) / math.log(max(quantile, 1 - quantile)))


def quantile_rows(
    rows: NDArray[np.float64], quantile: float, *, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lower ends, upper ends and effective samples of many series of equal length.

    Args:
        rows: ``(series, n)``; not checked.
        quantile: Level.
        confidence: Nominal coverage.

    Returns:
        An end that the samples cannot give is infinite.
    """
    if quantile == 0.5:
        low, high, effective = interval_rows(rows, confidence=confidence)
    else:
        low, high, effective = _tail_rows(rows, quantile, 1 - confidence)
    too_few = effective < samples_for_quantile(quantile, confidence=confidence)
    low[too_few], high[too_few] = -np.inf, np.inf
    return low, high, effective


def _tail_rows(
    rows: NDArray[np.float64], quantile: float, alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    n = rows.shape[1]
    ordered = np.sort(rows, axis=1)
    around = [np.quantile(ordered, level, axis=1) for level in (0.5, quantile)]
    tail, middle = dependence_model(n, quantile), dependence_model(n)
    weights = normalised(
        0.5 * middle.log_weight(_signs(rows, around[0], 0.5))
        + 0.5 * tail.log_weight(_signs(rows, around[1], quantile))
    )
    low = _lower_end(ordered, weights, quantile, alpha)
    high = -_lower_end(-ordered[:, ::-1], weights, 1 - quantile, alpha)
    return low, high, 1.0 / (weights @ (1.0 / tail.effective_n))


def _signs(
    rows: NDArray[np.float64], threshold: NDArray[np.float64], quantile: float
) -> NDArray[np.float32]:
    """Below or above, with mean 0 and variance 1 where the threshold is the true quantile."""
    scale = math.sqrt(quantile * (1 - quantile))
    low, high = -(1 - quantile) / scale, quantile / scale
    return np.where(rows <= threshold[:, None], np.float32(low), np.float32(high))


def _lower_end(
    ordered: NDArray[np.float64], weights: NDArray[np.float64], quantile: float, alpha: float
) -> NDArray[np.float64]:
    """The fractional order statistic that misses with probability ``alpha / 2``.

    Source:
        Hutson (1999), J. Appl. Statist. 26, with the effective instead of the actual samples.
    """
    n, every = ordered.shape[1], np.arange(len(ordered))
    miss = weights @ _miss_table(n, quantile).T
    first = np.maximum((miss >= alpha).argmax(axis=1), 1)
    below, above = miss[every, first - 1], miss[every, first]
    fraction = (first - 1 + (alpha - below) / (above - below)) * quantile / _FRACTIONS
    rank = fraction * (n + 1)
    index = np.clip(np.floor(rank).astype(np.intp), 1, n - 1)
    rest = np.clip(rank - index, 0.0, 1.0)
    end = ordered[every, index - 1] * (1 - rest) + ordered[every, index] * rest
    return np.where(rank < 1, -np.inf, end)


@lru_cache(maxsize=64)
def _miss_table(n: int, quantile: float) -> NDArray[np.float64]:
    """Twice the probability that the quantile lies below a fraction, ``(fractions, hypotheses)``.

    Kept monotone up to the quantile: the search ends at the first fraction that misses enough.
    """
    from scipy.special import betainc

    effective = dependence_model(n, quantile).effective_n
    rank = np.linspace(0.0, quantile, _FRACTIONS + 1)[1:, None] * (effective + 1)
    miss = 2 * betainc(np.maximum(effective + 1 - rank, 1e-9), rank, 1 - quantile)
    miss[-1] = np.maximum(miss[-1], 1.0)
    return np.concatenate([np.zeros((1, len(effective))), np.minimum(miss, 1.0)])


def _needed(n: int, effective: float, quantile: float, confidence: float) -> int:
    independent = samples_for_quantile(quantile, confidence=confidence)
    return max(n + 1, math.ceil(independent * n / effective))


def _reason(n: int, effective: float, quantile: float) -> str:
    beyond = effective * min(quantile, 1 - quantile)
    return (
        f"{n} samples are worth {effective:.0f} independent ones, "
        f"{beyond:.1f} of them beyond p{quantile * 100:g}"
    )


def _caution(n: int, effective: float, quantile: float) -> str | None:
    beyond = effective * min(quantile, 1 - quantile)
    if effective < MIN_EFFECTIVE:
        return f"{n} samples are worth only {effective:.0f} independent ones"
    if beyond < _FEWEST_BEYOND and effective < 0.5 * n:
        return f"slow calls come in clusters; only {beyond:.1f} effective ones beyond the quantile"
    return None
