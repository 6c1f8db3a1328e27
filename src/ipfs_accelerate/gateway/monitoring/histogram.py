"""Times in buckets of equal ratio: constant memory however many there are."""

from __future__ import annotations

import math
from bisect import bisect_left

__all__ = ["BOUNDS_NS", "Histogram"]

_STEPS_PER_DOUBLING = 8
#: Upper bounds from 1 µs to about 18 minutes; neighbours differ by 9 %.
BOUNDS_NS = tuple(round(1_000 * 2 ** (i / _STEPS_PER_DOUBLING)) for i in range(241))


class Histogram:
    """Counts of times.

    Quantiles are given as the geometric middle of their bucket, so they are off by 4.5 % at most.
    """

    __slots__ = ("count", "counts", "sum_ns")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_NS) + 1)
        self.count = 0
        self.sum_ns = 0

    def add(self, elapsed_ns: int) -> None:
        """Count one time."""
        self.counts[bisect_left(BOUNDS_NS, elapsed_ns)] += 1
        self.count += 1
        self.sum_ns += elapsed_ns

    def quantile_ns(self, share: float) -> int | None:
        """The time that ``share`` (0..1) of all do not exceed; ``None`` when there are none."""
        if not self.count:
            return None
        left = math.ceil(share * self.count) or 1
        for index, found in enumerate(self.counts):
            left -= found
            if left <= 0:
                return _middle_ns(index)
        return BOUNDS_NS[-1]


def _middle_ns(index: int) -> int:
    if index == 0:
        return BOUNDS_NS[0]
    if index == len(BOUNDS_NS):
        return BOUNDS_NS[-1]
    return round(math.sqrt(BOUNDS_NS[index - 1] * BOUNDS_NS[index]))
