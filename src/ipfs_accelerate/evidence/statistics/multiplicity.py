"""Many comparisons at once: p-values that stay honest together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ipfs_accelerate.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["METHODS", "Method", "adjust"]

Method = Literal["holm", "benjamini-hochberg", "benjamini-yekutieli"]
METHODS: tuple[Method, ...] = ("holm", "benjamini-hochberg", "benjamini-yekutieli")


def adjust(p_values: ArrayLike, method: Method = "benjamini-yekutieli") -> NDArray[np.float64]:
    """Adjusted p-values, in the order given: compare each with the level wanted for all together.

    Args:
        p_values: One per comparison, 0 to 1.
        method: ``holm`` bounds the chance of any false finding; the others bound the share of false
            findings, ``benjamini-hochberg`` when the comparisons are independent or positively
            dependent, ``benjamini-yekutieli`` however they depend on each other.

    Raises:
        InputError: A value is no probability.
        UnknownNameError: There is no such method.

    Source:
        Holm (1979), Scand. J. Statist. 6; Benjamini & Hochberg (1995), J. R. Statist. Soc. B 57;
        Benjamini & Yekutieli (2001), Ann. Statist. 29.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not np.all((p >= 0) & (p <= 1)):
        raise InputError("p-values are one row of numbers between 0 and 1")
    if method not in METHODS:
        raise UnknownNameError(method, METHODS)
    n = len(p)
    order, rank = np.argsort(p, kind="stable"), np.arange(1, n + 1)
    if method == "holm":
        stepped = np.maximum.accumulate(p[order] * (n - rank + 1))
    else:
        weight = 1.0 if method == "benjamini-hochberg" else float(np.sum(1 / rank))
        stepped = np.minimum.accumulate((p[order] * weight * n / rank)[::-1])[::-1]
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
