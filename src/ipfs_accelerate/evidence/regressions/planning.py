"""How many runs before and after a change it takes to find it, from the runs of a series so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.regressions.detect import (
    ALPHA,
    FEWEST_RUNS,
    dependence_inflation,
    needed_t,
)
from ipfs_accelerate.evidence.regressions.noise import noise_of_runs
from ipfs_accelerate.evidence.regressions.scores import local_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RunPlan", "plan_runs"]

#: Fewest runs from which the noise of further ones is guessed.
FEWEST_PILOTS = 20
_MOST_RUNS = 100_000
#: Ways to part the runs so far into shifted and other ones that are averaged.
_HALVINGS = 32
#: Share of the variance between runs that the error within a run may add.
_WITHIN = 0.25


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What it takes to find a shift.

    Attributes:
        effect: The shift, relative.
        runs: Needed before it, and again after it; ``None`` with a `reason`.
        samples: Needed of each run.
        power: Probability of finding it then.
        alpha: Probability of any alarm in a series without change.
        noise: Standard deviation of a run as the detector sees it: what one of a single normal
            mode would have that is as hard; ``None`` with a `reason`.
        reason: Why there is no plan.
    """

    effect: float
    runs: int | None
    samples: int
    power: float
    alpha: float
    noise: float | None
    reason: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


def plan_runs(
    medians_ns: NDArray[np.float64],
    errors: NDArray[np.float64],
    samples: int,
    *,
    effect: float = 0.02,
    power: float = 0.99,
    alpha: float = ALPHA,
) -> RunPlan:
    """Plan from runs without change: the detector's own scores on them, shifted and not.

    Args:
        medians_ns: Median of each run, in order, positive.
        errors: Relative standard error of each; 0 where unknown.
        samples: Of each of these runs.
        effect: Relative shift to find.
        power: Probability of finding it; above the wanted one, since pilots differ.
        alpha: Probability of any alarm without it.

    Raises:
        InputError: A value outside its range.
    """
    if effect <= 0 or not 0 < power < 1 or not 0 < alpha < 1 or samples < 1:
        raise InputError(f"no plan for {effect!r} with power {power!r} and alpha {alpha!r}")
    n = len(medians_ns)
    if n < FEWEST_PILOTS:
        reason = f"{n} runs; from {FEWEST_PILOTS} on their noise can be told"
        return RunPlan(effect, None, samples, power, alpha, None, reason)
    logs, shift = np.log(medians_ns), float(np.log1p(effect))
    if np.ptp(logs) == 0:
        return RunPlan(effect, FEWEST_RUNS // 2, samples, power, alpha, 0.0)
    distance, inflation = _distance(logs, errors, shift)
    runs = _runs(distance / np.sqrt(inflation), power, alpha)
    noise = shift * np.sqrt(inflation) / distance if distance > 0 else None
    why = None if runs else f"more than {_MOST_RUNS} runs"
    return RunPlan(effect, runs, _samples(logs, errors, samples), power, alpha, noise, why)


def _distance(
    logs: NDArray[np.float64], errors: NDArray[np.float64], shift: float
) -> tuple[float, float]:
    """Distance of the mean scores of shifted and other runs in standard deviations; inflation."""
    noise, rng, n = noise_of_runs(logs, errors), np.random.default_rng(0), len(logs)
    reach, gaps, spreads = max(shift, noise.spread), [], []
    for _ in range(_HALVINGS):
        is_after = rng.permutation(n) < n // 2
        scores = local_scores(np.where(is_after, logs + shift, logs), 1 / noise.relative, reach)
        before, after = scores[~is_after], scores[is_after]
        gaps.append(float(after.mean() - before.mean()))
        spreads.append((before.var() + after.var()) / 2)
    within = float(np.sqrt(np.mean(spreads)))
    quiet = local_scores(logs, 1 / noise.relative, reach)
    distance = max(float(np.mean(gaps)), 0.0) / max(within, 1e-12)
    return distance, dependence_inflation(quiet - quiet.mean())


def _runs(distance: float, power: float, alpha: float) -> int | None:
    """Runs a side: equal sides of ``n`` runs give a mean t of ``distance sqrt(n / 2)``."""
    reserve = NormalDist().inv_cdf(power)
    low, high = 4, 5
    while distance * np.sqrt(high / 2) < needed_t(2 * high, alpha) + reserve:
        low, high = high, 2 * high
        if high > _MOST_RUNS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        is_enough = distance * np.sqrt(middle / 2) >= needed_t(2 * middle, alpha) + reserve
        low, high = (low, middle) if is_enough else (middle, high)
    return high


def _samples(logs: NDArray[np.float64], errors: NDArray[np.float64], samples: int) -> int:
    """So many that the error within a run adds little to what differs between runs."""
    within = float(np.median(errors)) ** 2
    between = max(noise_of_runs(logs, errors).spread ** 2 - within, 1e-8)
    return max(samples, int(np.ceil(samples * within / (_WITHIN * between))))
