"""How each run of a series speaks for a change, and where the runs are best parted.

Noise of machines has several modes: a run may land a third higher because a neighbour was busy. So
a run is compared with those of all others that lie within reach of it, in whichever mode; what lies
beyond says nothing about a small shift. Whatever the scores are, they would be attached to the runs
in any order if nothing changed with time, and that alone gives the probability of a split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Cut", "local_scores", "paired_shift", "placed", "sharpest_cut", "wide_scores"]

#: Pairs looked at in one piece; bounds the memory of long series.
_PAIRS = 1_000_000
_STEPS = 8


@dataclass(frozen=True, slots=True)
class Cut:
    """The split with the largest difference of mean scores.

    Attributes:
        index: First run after it.
        t: The difference in its own standard errors, under every order of the runs; infinite
            when no order of the runs gives a larger one.
    """

    index: int
    t: float


def local_scores(
    logs: NDArray[np.float64], weights: NDArray[np.float64], reach: float
) -> NDArray[np.float64]:
    """How far each run lies above those within reach of it, as a weighted mean.

    Source:
        Slope of the logarithm of a kernel density (Fukunaga & Hostetler 1975, IEEE Trans. Inf.
        Theory 21), which is the efficient score for a small shift of that density.
    """
    parts = []
    for away in _differences(logs, logs):
        near = np.exp(-(away**2) / (2 * reach**2)) * weights
        parts.append((away * near).sum(axis=1) / (near.sum(axis=1) + 1.0))
    return np.concatenate(parts) * weights


def wide_scores(
    logs: NDArray[np.float64], weights: NDArray[np.float64], reach: float
) -> NDArray[np.float64]:
    """How far each run lies above all others, differences beyond reach counting as that far."""
    parts = [(np.clip(d, -reach, reach) * weights).sum(axis=1) for d in _differences(logs, logs)]
    return np.concatenate(parts) * weights


def sharpest_cut(scores: NDArray[np.float64], shortest: int) -> Cut | None:
    """The best split with at least ``shortest`` runs on each side; ``None`` for equal scores.

    Source:
        Moments of a sum drawn without replacement, and its t form, as for Pitman's permutation
        test: Pitman (1937), Significance tests which may be applied to samples from any
        populations, Suppl. J. R. Statist. Soc. 4.
    """
    n = len(scores)
    centred = scores - scores.mean()
    power = float((centred**2).sum())
    if n < 2 * shortest or power <= 1e-24 * max(float((scores**2).sum()), 1e-300):
        return None
    cuts = np.arange(shortest, n - shortest + 1)
    sums = np.cumsum(centred)[cuts - 1]
    share = sums**2 / (power * cuts * (n - cuts) / n)
    best = int(np.argmax(share))
    left = max(1.0 - float(share[best]), 1e-12)
    return Cut(int(cuts[best]), float(np.sqrt((n - 2) * share[best] / left)))


def paired_shift(
    before: NDArray[np.float64], after: NDArray[np.float64], start: float, reach: float
) -> float:
    """The shift at which most pairs of runs lie within reach of each other, from ``start`` on.

    Source:
        Comaniciu & Meer (2002), Mean shift, IEEE Trans. Pattern Anal. Mach. Intell. 24.
    """
    shift = start
    for _ in range(_STEPS):
        total = mass = 0.0
        for away in _differences(after, before):
            near = np.exp(-((away - shift) ** 2) / (2 * reach**2))
            total, mass = total + float((away * near).sum()), mass + float(near.sum())
        if mass <= 0:
            return start
        shift = total / mass
    return shift


def placed(
    logs: NDArray[np.float64], cut: int, shift: float, *, reach: float, shortest: int
) -> int:
    """The cut that the density of the runs without the shift finds likeliest."""
    for _ in range(2):
        level = np.where(np.arange(len(logs)) >= cut, logs - shift, logs)
        gain = np.log(_density(logs, level, reach) / _density(logs - shift, level, reach))
        cuts = np.arange(shortest, len(logs) - shortest + 1)
        cut = int(cuts[np.argmax(np.cumsum(gain)[cuts - 1])])
    return cut


def _density(
    at: NDArray[np.float64], level: NDArray[np.float64], reach: float
) -> NDArray[np.float64]:
    """Of all runs but the one at the same position, on any scale."""
    own = np.exp(-((at - level) ** 2) / (2 * reach**2))
    parts = [np.exp(-(d**2) / (2 * reach**2)).sum(axis=1) for d in _differences(at, level)]
    return np.asarray(np.maximum(np.concatenate(parts) - own, 0.0) + 0.1)


def _differences(
    rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """``rows - columns`` for all pairs, some rows at a time."""
    step = max(1, _PAIRS // max(len(columns), 1))
    for start in range(0, len(rows), step):
        yield rows[start : start + step, None] - columns
