"""Principal components by singular values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Components", "principal_components"]


@dataclass(frozen=True, slots=True)
class Components:
    """A projection onto the directions of largest variance.

    Attributes:
        scores: Rows by components.
        loadings: Components by columns, each of length 1; its largest entry is positive.
        explained: Share of the variance that each component holds.
    """

    scores: NDArray[np.float64]
    loadings: NDArray[np.float64]
    explained: NDArray[np.float64]


def principal_components(values: ArrayLike, count: int) -> Components:
    """Standardise the columns and project; columns that are constant carry nothing.

    Raises:
        InputError: Not a finite table of two rows or more, or too few columns that vary.

    Source:
        Jolliffe (2002), Principal Component Analysis, 2nd ed., section 3.5.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or len(table) < 2 or not np.isfinite(table).all():
        raise InputError(f"a table of shape {table.shape} has no components, or is not finite")
    deviation = table.std(axis=0, ddof=1)
    varies = deviation > 1e-12 * np.maximum(1.0, np.abs(table).max(axis=0))
    if varies.sum() < count or len(table) <= count:
        raise InputError(
            f"{len(table)} rows and {int(varies.sum())} varying measures have no {count} components"
        )
    unit = (table - table.mean(axis=0)) / np.where(varies, deviation, 1.0)
    unit[:, ~varies] = 0.0
    left, singular, right = np.linalg.svd(unit, full_matrices=False)
    strongest = np.abs(right).argmax(axis=1)
    signs = np.sign(right[np.arange(len(right)), strongest])
    signs[signs == 0] = 1.0
    share = singular**2 / np.sum(singular**2)
    return Components(
        scores=(left * singular * signs)[:, :count],
        loadings=(right * signs[:, None])[:count],
        explained=share[:count],
    )
