"""The level of runs some of which are disturbed: a likelihood, fitted for many splits at once.

A run is its level plus normal noise (between runs, and its own error), or it is disturbed and lies
anywhere. Disturbed runs therefore say nothing about the level, however many agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Fit", "Noise", "fit_levels", "noise_of_runs"]

_STEPS = 12
#: Beta prior on the share of disturbed runs: two in forty.
_DISTURBED, _CALM = 0.5, 9.5
#: Least standard deviation, as a share of that of neighbouring runs.
_FLOOR = 0.3
#: Quartile of the absolute difference of two standard normal numbers.
_QUARTILE_OF_DIFFERENCE = 0.4506


@dataclass(frozen=True, slots=True)
class Noise:
    """Of a series of log medians.

    Attributes:
        spread: Standard deviation as neighbours show it; a step or drift does not enter.
        relative: Variance of each run relative to the typical one, from its own error.
        width: Range over which a disturbed run may lie.
    """

    spread: float
    relative: NDArray[np.float64]
    width: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Levels under each split.

    Attributes:
        levels: Before and after, ``(splits, 2)``.
        likelihood: Logarithm, with the prior of the share of disturbed runs, ``(splits,)``.
        inner: Probability that each run is undisturbed, ``(splits, runs)``.
        residual: Distance of each run from its level in standard deviations, likewise.
    """

    levels: NDArray[np.float64]
    likelihood: NDArray[np.float64]
    inner: NDArray[np.float64]
    residual: NDArray[np.float64]

    def at(self, index: int) -> Fit:
        """One split, as a fit of its own."""
        part = slice(index, index + 1)
        return Fit(self.levels[part], self.likelihood[part], self.inner[part], self.residual[part])


def noise_of_runs(logs: NDArray[np.float64], errors: NDArray[np.float64]) -> Noise:
    """Noise of a series of at least three runs that are not all equal.

    Args:
        logs: Logarithms of the medians.
        errors: Standard error of each; 0 where unknown.
    """
    steps = np.abs(np.diff(logs))
    spread = float(np.quantile(steps, 0.25)) / _QUARTILE_OF_DIFFERENCE
    if spread == 0:
        spread = float(np.median(steps[steps > 0])) / (2 * _QUARTILE_OF_DIFFERENCE)
    typical = float(np.median(errors)) ** 2
    between = max(spread**2 - typical, 0.1 * spread**2)
    relative = (between + errors**2) / (between + typical)
    return Noise(spread, relative, max(1.5 * float(np.ptp(logs)), 20 * spread))


def fit_levels(logs: NDArray[np.float64], noise: Noise, cuts: NDArray[np.intp]) -> Fit:
    """Maximum likelihood levels before and after each cut; a cut at the end leaves one level.

    Source:
        Dempster, Laird & Rubin (1977), Maximum likelihood from incomplete data via the EM
        algorithm, J. R. Statist. Soc. B 39; started from the mode of all and of each side.
    """
    n = len(logs)
    after = np.arange(n) >= cuts[:, None]
    mode = _main_mode(logs)
    starts = (np.full((len(cuts), 2), mode), _modes_of_sides(logs, cuts))
    fits = [_climb(logs, noise, after, start) for start in starts]
    best = np.argmax([fit.likelihood for fit in fits], axis=0)
    every = np.arange(len(cuts))
    return Fit(
        np.array([fit.levels for fit in fits])[best, every],
        np.array([fit.likelihood for fit in fits])[best, every],
        np.array([fit.inner for fit in fits])[best, every],
        np.array([fit.residual for fit in fits])[best, every],
    )


def _climb(
    logs: NDArray[np.float64],
    noise: Noise,
    after: NDArray[np.bool_],
    levels: NDArray[np.float64],
) -> Fit:
    splits, n = after.shape
    variance = np.full((splits, 1), noise.spread**2)
    floor = (_FLOOR * noise.spread) ** 2
    disturbed = np.full((splits, 1), _DISTURBED / (_DISTURBED + _CALM))
    inner = np.ones((splits, n))
    for _ in range(_STEPS):
        away = logs - np.where(after, levels[:, 1:], levels[:, :1])
        inner, _ = _densities(away, noise, variance, disturbed)
        weight = inner / noise.relative
        late = weight * after
        masses = np.stack([(weight - late).sum(axis=1), late.sum(axis=1)], axis=1)
        sums = np.stack([(weight - late) @ logs, late @ logs], axis=1)
        levels = np.where(masses > 1e-9, sums / np.maximum(masses, 1e-9), levels)
        total = inner.sum(axis=1, keepdims=True) + 1e-12
        away = logs - np.where(after, levels[:, 1:], levels[:, :1])
        variance = np.maximum((weight * away**2).sum(axis=1, keepdims=True) / total, floor)
        disturbed = (n - total + _DISTURBED) / (n + _DISTURBED + _CALM)
    away = logs - np.where(after, levels[:, 1:], levels[:, :1])
    inner, density = _densities(away, noise, variance, disturbed)
    prior = _DISTURBED * np.log(disturbed) + _CALM * np.log1p(-disturbed)
    likelihood = np.log(density).sum(axis=1) + prior[:, 0]
    return Fit(levels, likelihood, inner, away / np.sqrt(variance * noise.relative))


def _densities(
    away: NDArray[np.float64],
    noise: Noise,
    variance: NDArray[np.float64],
    disturbed: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probability of being undisturbed, and density, of each run."""
    own = variance * noise.relative
    normal = (1 - disturbed) * np.exp(-(away**2) / (2 * own)) / np.sqrt(2 * np.pi * own)
    density = normal + disturbed / noise.width
    return normal / density, density


def _main_mode(logs: NDArray[np.float64]) -> float:
    """Middle of the shortest interval that holds half of the runs."""
    ordered, half = np.sort(logs), len(logs) // 2
    widths = ordered[half:] - ordered[: len(logs) - half]
    first = int(np.argmin(widths))
    return float((ordered[first] + ordered[first + half]) / 2)


def _modes_of_sides(logs: NDArray[np.float64], cuts: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.array(
        [
            (_main_mode(logs[:k]), _main_mode(logs[k:]) if k < len(logs) else 0.0)
            for k in cuts.tolist()
        ]
    )
