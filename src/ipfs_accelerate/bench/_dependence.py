"""What a series says about its own dependence: how many independent calls it is worth.

Only the signs of ``x - median(x)`` are looked at, so the answer does not change when the samples
are scaled or transformed in any order-preserving way, and heavy tails cannot reach it. The signs
are explained by a latent Gaussian process, part white and part exponentially correlated; its share
and correlation time are not estimated but averaged over their posterior, so that an uncertain
dependence makes the interval wider instead of wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DependenceModel", "dependence_model", "normalised"]

#: Prior probability that the calls are independent.
_PRIOR_INDEPENDENT = 0.6
#: Variance shares of the correlated part of the latent process.
_SHARES = (0.25, 0.5, 0.75, 0.9, 1.0)
#: Shortest correlation time considered, in calls.
_SHORTEST_CALLS = 0.5
_TIME_COUNT = 13
#: Longest correlation time, as a share of the series.
_LONGEST = 0.5
#: Longer series are read in segments of this length.
_SEGMENT = 8192
#: Points of the integral over the angle of a correlation.
_ANGLES = 4001


@dataclass(frozen=True, slots=True)
class DependenceModel:
    """Everything about series of one length that does not depend on the samples.

    Attributes:
        n: Length of the series.
        segment: Length of the pieces that are transformed.
        precision: Half the inverse variance of each cosine coefficient under each hypothesis,
            ``(segment - 1, hypotheses)``; the first hypothesis is independence.
        offset: Log prior weight and normalisation of each hypothesis.
        effective_n: Independent calls that ``n`` calls are worth under each hypothesis.
    """

    n: int
    segment: int
    precision: NDArray[np.float32]
    offset: NDArray[np.float64]
    effective_n: NDArray[np.float64]

    def posterior(self, signs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Weight of each hypothesis, ``(series, hypotheses)``.

        Args:
            signs: ``(series, n)``, low where a sample is at most the supposed quantile, else high,
                with variance 1 (around a median: -1 and 1).

        Source:
            Whittle (1953), Estimation and information in stationary time series, Ark. Mat. 2;
            cosine coefficients as in Müller & Watson (2008), Econometrica 76.
        """
        return normalised(self.log_weight(signs))

    def log_weight(self, signs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logarithm of `posterior` up to a constant in each row."""
        pieces = self.n // self.segment
        cut = signs[:, : pieces * self.segment].reshape(-1, self.segment)
        power = _cosine_power(cut).reshape(len(signs), pieces, -1).sum(axis=1)
        log_weight: NDArray[np.float64] = self.offset - (power @ self.precision).astype(np.float64)
        return log_weight


def normalised(log_weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that sum to 1 in each row, from their logarithms."""
    weight: NDArray[np.float64] = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    return weight


@lru_cache(maxsize=64)
def dependence_model(n: int, quantile: float = 0.5) -> DependenceModel:
    """The model for series of ``n`` samples; cached, because stopping rules ask again.

    Args:
        n: Length of the series.
        quantile: Level that the signs are taken around. Hypotheses are the same, in the same order,
            at every level; what they say about the signs differs.
    """
    segment = min(n, _SEGMENT)
    longest = max(2.0, _LONGEST * segment)
    times = np.geomspace(_SHORTEST_CALLS, longest, _TIME_COUNT)
    spectra = [np.ones(segment - 1)]
    effective = [float(n)]
    for time in times:
        for share in _SHARES:
            latent = share * np.exp(-np.arange(4 * segment) / time)
            correlation = _sign_correlation(latent, quantile)
            correlation[0] = 1.0
            spectra.append(_spectrum(correlation, segment))
            lag = np.arange(1, min(n, 4 * segment))
            inflation = 1 + 2 * np.sum((1 - lag / n) * correlation[lag])
            effective.append(n / inflation)
    prior = np.full(len(spectra), (1 - _PRIOR_INDEPENDENT) / (len(spectra) - 1))
    prior[0] = _PRIOR_INDEPENDENT
    spectrum = np.array(spectra)
    return DependenceModel(
        n=n,
        segment=segment,
        precision=(0.5 / spectrum).T.astype(np.float32),
        offset=np.log(prior) - 0.5 * (n // segment) * np.log(spectrum).sum(axis=1),
        effective_n=np.maximum(np.array(effective), 1.0),
    )


def _sign_correlation(latent: NDArray[np.float64], quantile: float) -> NDArray[np.float64]:
    """Correlation of the signs around a quantile of Gaussian pairs with the given correlation.

    Source:
        ``2/pi * asin(r)`` around the median: Sheppard (1899), Phil. Trans. A 192; elsewhere the
        integral of the bivariate density over the correlation, Plackett (1954), Biometrika 41.
    """
    angle = np.arcsin(latent)
    if quantile == 0.5:
        median: NDArray[np.float64] = 2 / np.pi * angle
        return median
    from scipy.special import ndtri

    grid = np.linspace(0.0, np.pi / 2, _ANGLES)
    density = np.exp(-(ndtri(quantile) ** 2) / (1 + np.sin(grid)))
    joint = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    found: NDArray[np.float64] = np.interp(angle, grid, joint / joint[-1])
    return found


def _cosine_power(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squares of the orthonormal DCT-II of each row, without the constant.

    Source:
        Makhoul (1980), A fast cosine transform in one and two dimensions, IEEE Trans. ASSP 28.
    """
    n = rows.shape[1]
    folded = np.fft.rfft(np.concatenate([rows[:, ::2], rows[:, 1::2][:, ::-1]], axis=1), axis=1)
    k = np.arange(1, n // 2 + 1)
    turned = folded[:, 1:] * np.exp(-0.5j * np.pi * k / n).astype(np.complex64)
    power = np.empty((len(rows), n - 1), dtype=np.float32)
    power[:, n - 1 - k] = np.square(turned.imag)
    power[:, k - 1] = np.square(turned.real)
    return power * np.float32(2 / n)


def _spectrum(correlation: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Spectral density at the frequencies ``pi j / n``, ``j = 1..n-1``, 1 for white noise."""
    two_sided = np.concatenate([correlation[:1], 2 * correlation[1:]])
    density = np.fft.rfft(two_sided, 8 * n).real[4 : 4 * n : 4]
    return np.maximum(density, 1e-6)
