"""What to measure next, and how much of it fits into a time; pure.

``priority = importance × information × chance``, and cells are taken by priority per second:

- importance = weight × (1 + log2(1 + runs)): use counts, with diminishing return.
- information: probability that the result changes the choice of the fastest target
  (`beliefs.information`), at least 1 %, since a measured cell is of use beyond the choice; 1 where
  the workload has no result at all, so that any result makes the choice.
- chance = 1 / (2 + tries) that the next try gives what the earlier ones in the same environment
  did not; Source: Laplace's rule of succession for no success in ``tries`` trials.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isfinite, log2
from statistics import median
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.coverage.cells import Cost, State
from ipfs_accelerate.store import CaseStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ipfs_accelerate.evidence.coverage.cells import Cell, Wanted
    from ipfs_accelerate.store.coverage import AttemptRecord

__all__ = ["Choice", "Costs", "chance", "choose", "importance", "is_measurable"]

#: Information of a cell that cannot change the choice.
LEAST_INFORMATION = 0.01
# What a case takes beside its counted calls where no run tells (prior).
_FIXED_S = 10.0


@dataclass(frozen=True, slots=True)
class Choice:
    """Cells to measure.

    Attributes:
        chosen: In the order of priority per second.
        left_out: Measurable ones that do not fit, in the same order.
        cost_s: Expected time of the chosen ones.
    """

    chosen: tuple[Cell, ...]
    left_out: tuple[Cell, ...]
    cost_s: float


def is_measurable(cell: Cell) -> bool:
    """Whether measuring it is possible here and was not given up."""
    is_open = cell.state not in {State.FRESH, State.UNAVAILABLE}
    return is_open and not cell.verdict.is_given_up


def importance(model: str, target: str, *, runs: int, weights: Mapping[str, float]) -> float:
    """Weight × (1 + log2(1 + runs)).

    Args:
        model: Reference of the model.
        target: Target.
        runs: Runs that measured the model because somebody asked.
        weights: Pattern on model or target → factor; all that match are multiplied.
    """
    weight = 1.0
    for pattern, factor in weights.items():
        if not isfinite(factor) or factor <= 0:
            raise InputError(f"weight {factor!r} of {pattern!r} is not positive")
        if any(_matches(name, pattern) for name in (model, target)):
            weight *= factor
    return weight * (1 + log2(1 + runs))


def chance(tries: int) -> float:
    """Probability that the next try gives what ``tries`` earlier ones did not."""
    return 1 / (2 + tries)


class Costs:
    """Expected wall time of cells, from the nearest ones that were measured.

    Args:
        attempts: Results of this machine; those without times are ignored.
        counted_s: Most that the counted calls of a case may take now.
    """

    def __init__(self, attempts: Iterable[AttemptRecord], *, counted_s: float) -> None:
        self._counted_s = counted_s
        self._times: dict[tuple[str | None, ...], list[float]] = {}
        for a in attempts:
            if a.fixed_ns is not None and a.status is CaseStatus.OK:
                for key, _ in _neighbours(a.version, a.target, a.test_case):
                    self._times.setdefault(key, []).append(self._seconds(a))

    def of(self, wanted: Wanted) -> Cost:
        """Median of the first of: its own runs, its model and target, its target, its model."""
        for key, basis in _neighbours(wanted.version, wanted.case.target, wanted.case.name):
            if key in self._times:
                return Cost(median(self._times[key]), basis)
        return Cost(self._counted_s + _FIXED_S, "prior: nothing like it was run")

    def _seconds(self, attempt: AttemptRecord) -> float:
        fixed_s, found_s = (attempt.fixed_ns or 0) / 1e9, (attempt.counted_ns or 0) / 1e9
        return max(fixed_s + min(found_s, self._counted_s), 0.001)


def _neighbours(
    version: str | None, target: str, test_case: str
) -> tuple[tuple[tuple[str | None, ...], str], ...]:
    return (
        (("cell", version, target, test_case), "its own runs"),
        (("pair", version, target), "its model and target"),
        (("target", target), "its target"),
        (("model", version), "its model"),
    )


def choose(cells: Sequence[Cell], *, budget_s: float | None = None) -> Choice:
    """Take measurable cells by priority per second while they fit; a cell too long is passed over.

    Args:
        cells: All cells.
        budget_s: Time for all of them; ``None`` for no limit.

    Raises:
        InputError: The budget is not positive.

    Source:
        Dantzig (1957), Discrete-variable extremum problems, Oper. Res. 5 (greedy knapsack).
    """
    if budget_s is not None and not (isfinite(budget_s) and budget_s > 0):
        raise InputError(f"a budget of {budget_s!r} s is no time", hint="--budget 10m")
    ordered = [c for c in cells if c.estimate is not None and is_measurable(c)]
    ordered.sort(key=_order)
    chosen: list[Cell] = []
    left_out: list[Cell] = []
    total_s = 0.0
    for cell in ordered:
        cost_s = cell.estimate.cost.seconds if cell.estimate else 0.0
        if budget_s is not None and total_s + cost_s > budget_s:
            left_out.append(cell)
        else:
            chosen.append(cell)
            total_s += cost_s
    return Choice(tuple(chosen), tuple(left_out), total_s)


def _order(cell: Cell) -> tuple[float, str, str, str]:
    case, estimate = cell.wanted.case, cell.estimate
    return -(estimate.per_second if estimate else 0.0), case.model, case.name, case.target


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or name.rsplit("/", 1)[-1] == pattern
