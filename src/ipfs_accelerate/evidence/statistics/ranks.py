"""Ranks and Kendall's tau in numpy: loading the library that also has them takes a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["kendall_p_value", "kendall_tau", "ranks"]

#: From here on the normal distribution is as good.
_EXACT = 33


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: NDArray[np.float64] = (last - (counts - 1) / 2)[at]
    return shared


def kendall_tau(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Kendall's tau-b of two series of which none is constant.

    Source:
        Kendall (1945), The treatment of ties in ranking problems, Biometrika 33; pairs counted as
        in Knight (1966), J. Am. Statist. Assoc. 61.
    """
    order = np.lexsort((b, a))
    _, first = np.unique(a[order], return_inverse=True)
    _, second = np.unique(b[order], return_inverse=True)
    pairs = len(a) * (len(a) - 1) / 2
    tied_a, tied_b = _tied(first), _tied(second)
    tied_both = _tied(first * (int(second.max()) + 1) + second)
    score = pairs - tied_a - tied_b + tied_both - 2 * _inversions(second)
    return float(np.clip(score / np.sqrt((pairs - tied_a) * (pairs - tied_b)), -1, 1))


def kendall_p_value(tau: float, n: int) -> float:
    """Two-sided, of ``n`` independent pairs without ties; exact for short series.

    Source:
        Kendall (1938), A new measure of rank correlation, Biometrika 30: the number of orders with
        a given number of inversions, and the variance ``2 (2n + 5) / (9 n (n - 1))``.
    """
    from scipy.special import ndtr

    if n > _EXACT:
        deviation = np.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))
        return float(2 * ndtr(-abs(tau) / deviation))
    orders = np.ones(1)
    for size in range(2, n + 1):
        orders = np.convolve(orders, np.ones(size) / size)
    most = round((1 - abs(tau)) * n * (n - 1) / 4)
    return float(min(1.0, 2 * orders[: most + 1].sum()))


def _tied(groups: NDArray[np.intp]) -> float:
    counts = np.unique(groups, return_counts=True)[1]
    return float((counts * (counts - 1) / 2).sum())


def _inversions(levels: NDArray[np.intp]) -> int:
    """Pairs in which the larger comes first, counted bit by bit from the highest."""
    found, values = 0, levels
    for bit in range(int(levels.max()).bit_length()):
        # Pairs equal above this bit are neighbours once sorted stably by what is above it.
        order = np.argsort(values >> (bit + 1), kind="stable")
        group, is_one = values[order] >> (bit + 1), (values[order] >> bit) & 1
        ones = np.cumsum(is_one)
        starts = np.searchsorted(group, group, side="left")
        before = ones - is_one - np.where(starts > 0, ones[starts - 1], 0)
        found += int(before[is_one == 0].sum())
    return found
