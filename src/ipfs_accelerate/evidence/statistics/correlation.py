"""Whether two series go together, with p-values that know that each depends on itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.evidence.statistics.ranks import kendall_tau, ranks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["KINDS", "Correlation", "correlate"]

Kind = Literal["pearson", "spearman", "kendall"]
KINDS: tuple[Kind, ...] = ("pearson", "spearman", "kendall")
_FEWEST = 4


@dataclass(frozen=True, slots=True)
class Correlation:
    """One coefficient.

    Attributes:
        kind: Which.
        coefficient: -1 to 1; ``None`` with a `reason`.
        p_value: Two-sided; ``None`` likewise.
        n: Pairs.
        effective_n: Independent pairs these are worth.
        reason: Why there is none.
    """

    kind: str
    coefficient: float | None
    p_value: float | None
    n: int
    effective_n: float
    reason: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


def correlate(x: ArrayLike, y: ArrayLike, kind: Kind = "spearman") -> Correlation:
    """Correlate two series of equal length, in the order of measurement.

    Raises:
        InputError: Not two rows of equal length, or a value that is not finite.
        UnknownNameError: There is no such coefficient.
    """
    if kind not in KINDS:
        raise UnknownNameError(kind, KINDS)
    a, b = (np.asarray(v, dtype=np.float64) for v in (x, y))
    if a.ndim != 1 or a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError(f"cannot correlate shapes {a.shape} and {b.shape}, or not finite numbers")
    n = len(a)
    if n < _FEWEST:
        return Correlation(kind, None, None, n, n, f"{n} pairs; {_FEWEST} are the fewest")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return Correlation(kind, None, None, n, n, "one side is constant")
    worth = _effective(a, b)
    found = _coefficient(a, b, kind)
    return Correlation(kind, found, _p_value(found, worth, kind), n, worth)


def _coefficient(a: NDArray[np.float64], b: NDArray[np.float64], kind: Kind) -> float:
    if kind == "kendall":
        return kendall_tau(a, b)
    if kind == "spearman":
        a, b = ranks(a), ranks(b)
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))


def _p_value(coefficient: float, n: float, kind: Kind) -> float:
    """From Student's t for products, from the normal for Kendall's tau.

    Source:
        Kendall (1938), A new measure of rank correlation, Biometrika 30: variance
        ``2 (2n + 5) / (9 n (n - 1))``.
    """
    from scipy.special import ndtr, stdtr

    if kind == "kendall":
        deviation = np.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))
        return float(2 * ndtr(-abs(coefficient) / deviation))
    rest = max(1 - coefficient**2, 1e-300)
    return float(2 * stdtr(n - 2, -abs(coefficient) * np.sqrt((n - 2) / rest)))


def _effective(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pairs that are worth as much when each series depends on its own past.

    Source:
        Pyper & Peterman (1998), Comparison of methods to account for autocorrelation in correlation
        analyses of fish data, Can. J. Fish. Aquat. Sci. 55: ``1/n* = 1/n + 2/n sum r_a(j) r_b(j)``
        over lags up to ``n / 5``.
    """
    n = len(a)
    lags = np.arange(1, max(1, n // 5) + 1)
    product = _autocorrelation(a, lags) * _autocorrelation(b, lags)
    worth = n / max(1 + 2 * float(product.sum()), 1.0)
    return float(np.clip(worth, 3.0, n))


def _autocorrelation(x: NDArray[np.float64], lags: NDArray[np.intp]) -> NDArray[np.float64]:
    unit = x - x.mean()
    power = np.abs(np.fft.rfft(unit, 2 * len(x))) ** 2
    full = np.fft.irfft(power, 2 * len(x))
    found: NDArray[np.float64] = full[lags] / full[0] * len(x) / (len(x) - lags)
    return found
