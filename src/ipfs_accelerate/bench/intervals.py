"""Confidence interval for the median of a latency series as it really comes.

**What is covered.** The median of the stationary marginal distribution: the median that an endless
series under the same conditions would have. Successive calls may depend on each other. When a
series drifts or its dependence is as long as the series itself, its own marginal cannot be known
from it; the interval then carries a ``caution`` instead of pretending.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.bench._dependence import dependence_model
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "MIN_EFFECTIVE",
    "Interval",
    "checked_confidence",
    "checked_samples",
    "interval_rows",
    "mean_half_width",
    "median_interval",
]

METHOD = "fractional order statistics, dependence averaged over its posterior"
#: Below this many effective calls the measured coverage falls short of the nominal one.
MIN_EFFECTIVE = 20.0
_FEWEST_SAMPLES = 6
_FRACTIONS = 400
#: First step of the search for an end, in units of the square root of the number of samples.
_FIRST_STRIDE = 0.7


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with the interval that covers the true one with probability ``confidence``.

    Attributes:
        low: Lower end, in the unit of the samples (ns).
        median: Sample median.
        high: Upper end.
        confidence: Nominal level.
        n: Samples.
        effective_n: Independent samples these are worth (at most ``n``).
        method: How the interval was computed.
        caution: Why it may cover less than ``confidence``; ``None`` when nothing was found.
    """

    low: float
    median: float
    high: float
    confidence: float
    n: int
    effective_n: float
    method: str = METHOD
    caution: str | None = None

    @property
    def relative_width(self) -> float:
        """``(high - low) / median``; 0 for a constant series, infinite around a zero median."""
        width = self.high - self.low
        if width == 0.0:
            return 0.0
        return width / self.median if self.median else float("inf")


def median_interval(samples_ns: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Interval for the median of a latency series.

    The ends are order statistics whose ranks follow from the number of *effective* samples; they
    move with the samples under every order-preserving transform, up to the interpolation between
    two neighbours.

    Args:
        samples_ns: Latency of each call in order, ns, at least two, finite and not negative.
        confidence: Nominal coverage, between 0.5 and 0.999.

    Raises:
        InputError: Fewer than two samples, not one dimension, a sample that is not a finite
            non-negative number, or a confidence outside its range.

    Source:
        Hutson (1999), Calculating nonparametric confidence intervals for quantiles using fractional
        order statistics, J. Appl. Statist. 26; coverage: ``benchmarks/interval_coverage.py``.
    """
    samples = checked_samples(samples_ns)
    checked_confidence(confidence)
    low, high, effective = interval_rows(samples[None, :], confidence=confidence)
    return Interval(
        low=float(low[0]),
        median=float(np.median(samples)),
        high=float(high[0]),
        confidence=confidence,
        n=len(samples),
        effective_n=float(effective[0]),
        caution=_caution(samples, float(effective[0]), confidence),
    )


def checked_confidence(confidence: float) -> None:
    """Refuse what no interval can be computed for.

    Raises:
        InputError: See `median_interval`.
    """
    if not 0.5 <= confidence <= 0.999:
        raise InputError(f"confidence {confidence!r} is not between 0.5 and 0.999")


def checked_samples(samples_ns: ArrayLike) -> NDArray[np.float64]:
    """The samples as a float array.

    Raises:
        InputError: See `median_interval`.
    """
    try:
        samples = np.asarray(samples_ns, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"samples are not numbers: {error}") from error
    if samples.ndim != 1 or len(samples) < 2:
        raise InputError(
            f"samples of shape {samples.shape} give no interval", hint="measure at least two calls"
        )
    bad = np.flatnonzero(~np.isfinite(samples) | (samples < 0))
    if len(bad):
        raise InputError(f"sample {bad[0]} is {samples[bad[0]]!r}, not a duration")
    return samples


def interval_rows(
    rows: NDArray[np.float64], *, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lower ends, upper ends and effective samples of many series of equal length.

    Each end is found by inverting a test: a value is inside when the count of samples up to it is
    not surprising, given the dependence of the signs *around that value*. (Signs around the sample
    median are balanced by construction and so look less dependent than they are.)

    Args:
        rows: ``(series, n)``; not checked.
        confidence: Nominal coverage.
    """
    alpha = 1 - confidence
    model = dependence_model(rows.shape[1])
    weights = model.posterior(_signs(rows, np.median(rows, axis=1)))
    effective = 1.0 / (weights @ (1.0 / model.effective_n))
    effective[rows.min(axis=1) == rows.max(axis=1)] = model.n  # nothing is left to doubt
    return _lower_end(rows, alpha), -_lower_end(-rows, alpha), effective


def mean_half_width(process: NDArray[np.float64], *, confidence: float) -> tuple[float, float]:
    """Half-width of the interval for the mean of a bounded process, and its effective samples.

    Args:
        process: Its values in order; not constant.
        confidence: Nominal coverage.

    Raises:
        InputError: A confidence outside its range.
    """
    checked_confidence(confidence)
    n, deviation = len(process), float(process.std())
    model = dependence_model(n)
    unit = ((process - process.mean()) / deviation).astype(np.float32)
    weights = model.posterior(unit[None, :])[0]
    miss = _miss_table(n) @ weights
    fraction = float(np.interp(1 - confidence, miss, np.linspace(0.0, 0.5, len(miss))))
    return deviation * (1 - 2 * fraction), float(1.0 / (weights @ (1.0 / model.effective_n)))


def _signs(rows: NDArray[np.float64], threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.where(rows <= threshold[:, None], np.float32(-1), np.float32(1))


def _lower_end(rows: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Bisect for the rank from which on a value is not surprising as the median."""
    ordered = np.sort(rows, axis=1)
    n, every = rows.shape[1], np.arange(len(rows))
    outside, inside = np.zeros(len(rows), dtype=np.intp), np.full(len(rows), (n + 1) // 2)
    p_outside, p_inside = np.zeros(len(rows)), np.ones(len(rows))
    stride = np.full(len(rows), max(1, round(_FIRST_STRIDE * np.sqrt(n))))
    while np.any(inside - outside > 1):
        middle = np.maximum(np.maximum((outside + inside) // 2, inside - stride), 1)
        p = _plausibility(rows, ordered[every, middle - 1], middle)
        accept = p >= alpha
        inside, p_inside = np.where(accept, middle, inside), np.where(accept, p, p_inside)
        outside, p_outside = np.where(accept, outside, middle), np.where(accept, p_outside, p)
        stride = np.where(outside > 0, n, stride * 3 // 2 + 1)
    rank = inside - (p_inside - alpha) / (p_inside - p_outside)
    below = np.clip(np.floor(rank).astype(np.intp), 1, n - 1)
    rest = np.clip(rank - below, 0.0, 1.0)
    end: NDArray[np.float64] = ordered[every, below - 1] * (1 - rest) + ordered[every, below] * rest
    return end


def _plausibility(
    rows: NDArray[np.float64], value: NDArray[np.float64], rank: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Probability that an interval ending at this value, of this rank, misses the median."""
    n = rows.shape[1]
    position = np.minimum(rank / (n + 1), 0.5) * 2 * _FRACTIONS
    below = np.minimum(position.astype(np.intp), _FRACTIONS - 1)
    rest = (position - below)[:, None]
    table = _miss_table(n)
    miss = table[below] * (1 - rest) + table[below + 1] * rest
    weights = dependence_model(n).posterior(_signs(rows, value))
    p: NDArray[np.float64] = np.einsum("ij,ij->i", weights, miss)
    return p


@lru_cache(maxsize=64)
def _miss_table(n: int) -> NDArray[np.float64]:
    """Probability that an interval between two fractions misses, ``(fractions, hypotheses)``."""
    from scipy.special import betainc

    effective = dependence_model(n).effective_n
    rank = np.linspace(0.0, 0.5, _FRACTIONS + 1)[1:, None] * (effective + 1)
    miss = 2 * betainc(effective + 1 - rank, rank, 0.5)
    return np.concatenate([np.zeros((1, len(effective))), miss])


def _caution(samples: NDArray[np.float64], effective: float, confidence: float) -> str | None:
    n = len(samples)
    if np.all(samples == samples[0]):
        return None
    reachable = 1 - 2 * 0.5**n
    if n < _FEWEST_SAMPLES or reachable < confidence:
        return f"{n} samples: smallest to largest covers at most {reachable:.1%}"
    if effective < MIN_EFFECTIVE:
        return f"{n} samples are worth only {effective:.0f} independent ones"
    return None
