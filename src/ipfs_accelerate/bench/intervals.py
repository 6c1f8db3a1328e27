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

__all__ = ["Interval", "interval_rows", "median_interval"]

METHOD = "fractional order statistics, dependence averaged over its posterior"
#: Below this many effective calls the measured coverage falls short of the nominal one.
_FEWEST_EFFECTIVE = 10.0
_FEWEST_SAMPLES = 6
_FRACTIONS = 400


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
    if not 0.5 <= confidence <= 0.999:
        raise InputError(f"confidence {confidence!r} is not between 0.5 and 0.999")
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

    Args:
        rows: ``(series, n)``; not checked.
        confidence: Nominal coverage.
    """
    n = rows.shape[1]
    signs = np.sign(rows - np.median(rows, axis=1, keepdims=True))
    scale = np.sqrt(np.mean(signs**2, axis=1, keepdims=True))
    signs = np.divide(signs, scale, out=np.zeros_like(signs), where=scale > 0)
    model = dependence_model(n)
    weights = model.posterior(signs)
    fraction = _fractions_for(weights @ _miss_table(n).T, 1 - confidence)
    ordered = np.sort(rows, axis=1)
    effective = 1.0 / (weights @ (1.0 / model.effective_n))
    effective[scale[:, 0] == 0] = n  # a constant series leaves nothing to doubt
    return _at(ordered, fraction), _at(ordered, 1 - fraction), effective


def _grid() -> NDArray[np.float64]:
    return np.linspace(0.0, 0.5, _FRACTIONS + 1)


@lru_cache(maxsize=64)
def _miss_table(n: int) -> NDArray[np.float64]:
    """Probability that the interval between two fractions misses, ``(fractions, hypotheses)``."""
    from scipy.special import betainc

    effective = dependence_model(n).effective_n
    rank = _grid()[:, None] * (effective + 1)
    with np.errstate(invalid="ignore"):
        miss = 2 * betainc(effective + 1 - rank, rank, 0.5)
    miss[0] = 0.0
    return np.asarray(miss)


def _fractions_for(miss: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """The fraction (0..0.5) of each row at which the miss probability reaches ``alpha``."""
    grid = _grid()
    above = np.argmax(miss >= alpha, axis=1)
    rows = np.arange(len(miss))
    left, right = miss[rows, above - 1], miss[rows, above]
    fraction: NDArray[np.float64] = grid[above] - (right - alpha) / (right - left) * grid[1]
    return fraction


def _at(ordered: NDArray[np.float64], fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    n = ordered.shape[1]
    position = np.clip(fraction * (n + 1), 1, n) - 1
    below = np.minimum(position.astype(np.intp), n - 2)
    rest = position - below
    rows = np.arange(len(ordered))
    value: NDArray[np.float64] = ordered[rows, below] * (1 - rest) + ordered[rows, below + 1] * rest
    return value


def _caution(samples: NDArray[np.float64], effective: float, confidence: float) -> str | None:
    n = len(samples)
    if np.all(samples == samples[0]):
        return None
    reachable = 1 - 2 * 0.5**n
    if n < _FEWEST_SAMPLES or reachable < confidence:
        return f"{n} samples: smallest to largest covers at most {reachable:.1%}"
    if effective < _FEWEST_EFFECTIVE:
        return f"{n} samples are worth only {effective:.0f} independent ones"
    return None
