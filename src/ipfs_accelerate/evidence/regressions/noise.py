"""What separates the runs of a series from each other although nothing changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Noise", "noise_of_runs"]

#: Quartile of the absolute difference of two standard normal numbers.
_QUARTILE_OF_DIFFERENCE = 0.4506


@dataclass(frozen=True, slots=True)
class Noise:
    """Of a series of log medians.

    Attributes:
        spread: Standard deviation as neighbours show it; a step or drift does not enter.
        relative: Variance of each run relative to the typical one, from its own error.
    """

    spread: float
    relative: NDArray[np.float64]


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
    return Noise(spread, relative)
