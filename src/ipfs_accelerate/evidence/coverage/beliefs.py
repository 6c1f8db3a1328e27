"""How likely a measurement is to change which target is the fastest; pure.

Every cell has a belief on the logarithm of its latency. What was measured is believed as far as its
interval, its age and its doubts allow; what was not is predicted from its neighbours by two
effects, of the workload and of the target. A belief only orders measurements: it is never stored or
shown as a latency.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.evidence.coverage.cells import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ipfs_accelerate.evidence.coverage.cells import Verdict

__all__ = ["Belief", "beliefs", "information", "own_belief"]

# Standard deviations of log latency that are assumed where the ledger says nothing (priors).
_CHANGED = float(np.log(1.10))
_DOUBTED = float(np.log(1.25))
_NEIGHBOURS = float(np.log(2.0))
_FEWEST_RESIDUALS = 5
_SWEEPS = 10


@dataclass(frozen=True, slots=True)
class Belief:
    """Normal on the natural logarithm of a latency in ns.

    Attributes:
        mean: Of the logarithm; within one workload only differences have a meaning.
        deviation: Standard deviation, above 0.
    """

    mean: float
    deviation: float


def own_belief(verdict: Verdict) -> Belief | None:
    """From the cell's own result: its interval, widened by 10 % when stale, 25 % when doubted."""
    best = verdict.best
    median, low, high = best.latency_ns if best else (None, None, None)
    if not median or median <= 0:
        return None
    confidence = best.confidence if best and best.confidence else 0.95
    deviation = _DOUBTED
    if low and high and 0 < low <= high and 0 < confidence < 1:
        reach = 2 * NormalDist().inv_cdf(0.5 + confidence / 2)
        deviation = float(np.log(high / low)) / reach
    extra = {State.FRESH: 0.0, State.UNTRUSTED: _DOUBTED}.get(verdict.state, _CHANGED)
    return Belief(float(np.log(median)), max(float(np.hypot(deviation, extra)), 1e-6))


def beliefs(
    known: Mapping[tuple[str, str], Belief], wanted: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Belief]:
    """Beliefs of all cells ``(workload, target)``: their own, or predicted from neighbours.

    The prediction is workload effect + target effect; its deviation is the spread of what the two
    effects leave unexplained, or a factor of two where fewer than five cells tell.

    Source:
        Tukey (1977), Exploratory Data Analysis, chapter 11 (median polish).
    """
    if not known:
        return {cell: Belief(0.0, _NEIGHBOURS) for cell in wanted}
    rows, columns = (sorted({cell[axis] for cell in known}) for axis in (0, 1))
    table = np.full((len(rows), len(columns)), np.nan)
    for (row, column), belief in known.items():
        table[rows.index(row), columns.index(column)] = belief.mean
    row_effects, column_effects, residuals = _polish(table)
    of_row = dict(zip(rows, row_effects.tolist(), strict=True))
    of_column = dict(zip(columns, column_effects.tolist(), strict=True))
    spread = _spread(residuals)
    unseen = float(np.hypot(spread, _spread(column_effects)))
    found: dict[tuple[str, str], Belief] = {}
    for cell in wanted:
        row, column = cell
        mean = of_row.get(row, 0.0) + of_column.get(column, 0.0)
        guess = Belief(mean, spread if column in of_column else unseen)
        found[cell] = known.get(cell, guess)
    return found


def information(competing: Mapping[str, Belief]) -> dict[str, float]:
    """Target of one workload → probability that it and the present choice trade places.

    The choice is the target with the smallest mean. For another target it is the probability that
    this one is faster than the choice; for the choice itself, that any single other one is.

    Source:
        Kushner (1964), A new method of locating the maximum point of an arbitrary multipeak curve
        in the presence of noise, J. Basic Eng. 86 (probability of improvement).
    """
    if len(competing) < 2:
        return dict.fromkeys(competing, 0.0)
    pick = min(competing, key=lambda name: (competing[name].mean, name))
    best = competing[pick]
    found = {
        name: NormalDist().cdf((best.mean - b.mean) / float(np.hypot(b.deviation, best.deviation)))
        for name, b in competing.items()
        if name != pick
    }
    return found | {pick: max(found.values())}


def _polish(
    table: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Effects of rows and columns; every row and column has a number."""
    rest = table.copy()
    rows, columns = np.zeros(table.shape[0]), np.zeros(table.shape[1])
    for _ in range(_SWEEPS):
        step = np.nanmedian(rest, axis=1)
        rows, rest = rows + step, rest - step[:, None]
        step = np.nanmedian(rest, axis=0)
        columns, rest = columns + step, rest - step[None, :]
    return rows, columns, rest[np.isfinite(rest)]


def _spread(values: NDArray[np.float64]) -> float:
    """Robust standard deviation, not below what chance may hide; the prior for few values."""
    if len(values) < _FEWEST_RESIDUALS:
        return _NEIGHBOURS
    deviation = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return max(deviation, _CHANGED)
