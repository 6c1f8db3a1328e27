"""Samples that do not belong, found without letting them hide themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["MODIFIED_Z_LIMIT", "Z_LIMIT", "modified_z", "outliers", "z_scores"]

#: Limits of their authors.
MODIFIED_Z_LIMIT = 3.5
Z_LIMIT = 3.0


def modified_z(values: ArrayLike) -> NDArray[np.float64]:
    """Distance from the median in units of a robust standard deviation.

    When more than half of the values are equal, their median absolute deviation is 0; then the
    mean absolute deviation takes its place. All equal values score 0.

    Source:
        Iglewicz & Hoaglin (1993), How to detect and handle outliers: 0.6745 and 1.253314 make both
        deviations estimate the standard deviation of a normal distribution.
    """
    x = _checked(values)
    away = x - np.median(x)
    spread = float(np.median(np.abs(away))) / 0.6745
    if spread == 0:
        spread = 1.253314 * float(np.mean(np.abs(away)))
    return away / spread if spread > 0 else np.zeros_like(away)


def z_scores(values: ArrayLike) -> NDArray[np.float64]:
    """Distance from the mean in standard deviations; an outlier inflates both and can hide."""
    x = _checked(values)
    spread = float(x.std(ddof=1)) if len(x) > 1 else 0.0
    return (x - x.mean()) / spread if spread > 0 else np.zeros_like(x)


def outliers(values: ArrayLike, *, limit: float = MODIFIED_Z_LIMIT) -> NDArray[np.intp]:
    """Positions whose modified z-score is beyond the limit."""
    return np.flatnonzero(np.abs(modified_z(values)) > limit)


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not len(x) or not np.all(np.isfinite(x)):
        raise InputError(
            f"values of shape {x.shape} have no outliers",
            hint="one row of finite numbers is wanted",
        )
    return x
