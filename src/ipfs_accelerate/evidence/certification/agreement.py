"""Whether the medians of independent runs agree, and what they say together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.bench.intervals import Interval

__all__ = ["Agreement", "agreement"]

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Agreement:
    """What several runs of one case say together.

    Attributes:
        runs: How many.
        verdict: ``agree`` when every pair is shown to be within the bound, ``disagree`` when one
            pair is shown to be beyond it, ``unclear`` otherwise.
        ratio: Largest ratio of two medians.
        ratio_high: Upper end of the largest ratio, 95 % one-sided.
        between_runs: Relative standard deviation from run to run, beyond what is within them.
        heterogeneity: Share of the variance that lies between runs (I squared), 0..1.
        median_ns: Of all runs together.
        low_ns: Lower end of its 95 % interval, which covers what differs from run to run.
        high_ns: Upper end.
    """

    runs: int
    verdict: Literal["agree", "disagree", "unclear"]
    ratio: float
    ratio_high: float
    between_runs: float
    heterogeneity: float
    median_ns: float
    low_ns: float
    high_ns: float


def agreement(runs: Sequence[Interval], *, bound: float) -> Agreement:
    """Hold the medians of independent runs against each other.

    Args:
        runs: Interval of the median of each run, at least two.
        bound: Relative difference up to which two runs agree.

    Raises:
        InputError: Fewer than two runs, an interval that is not positive, or a bound outside 0..1.

    Source:
        Equivalence of all pairs: Schuirmann (1987), J. Pharmacokin. Biopharm. 15, joined as Berger
        (1982), Technometrics 24; a difference of any pair: Bonferroni. Between-run variance:
        DerSimonian & Laird (1986), Control. Clin. Trials 7; I squared: Higgins & Thompson (2002),
        Stat. Med. 21; interval: Hartung & Knapp (2001), Stat. Med. 20.
    """
    _checked(runs, bound)
    logs = [math.log(run.median) for run in runs]
    errors = [_error(run) for run in runs]
    gaps = [
        (abs(logs[a] - logs[b]), math.hypot(errors[a], errors[b]))
        for a, b in combinations(range(len(runs)), 2)
    ]
    normal = NormalDist()
    near = normal.inv_cdf(_LEVEL)
    far = normal.inv_cdf(1 - (1 - _LEVEL) / (2 * len(gaps)))
    limit, highest = math.log1p(bound), max(gap + near * error for gap, error in gaps)
    verdict: Literal["agree", "disagree", "unclear"] = "unclear"
    if highest <= limit:
        verdict = "agree"
    elif any(gap - far * error > limit for gap, error in gaps):
        verdict = "disagree"
    tau, share = _heterogeneity(logs, errors)
    centre, half = _together(logs, errors, tau)
    return Agreement(
        runs=len(runs),
        verdict=verdict,
        ratio=math.exp(max(gap for gap, _ in gaps)),
        ratio_high=math.exp(highest),
        between_runs=tau,
        heterogeneity=share,
        median_ns=math.exp(centre),
        low_ns=math.exp(centre - half),
        high_ns=math.exp(centre + half),
    )


def _checked(runs: Sequence[Interval], bound: float) -> None:
    if len(runs) < 2:
        raise InputError(f"{len(runs)} runs cannot agree", hint="at least two independent runs")
    if not 0 < bound < 1:
        raise InputError(f"bound {bound!r} is not between 0 and 1", hint="e.g. 5%")
    for run in runs:
        if not 0 < run.low <= run.median <= run.high < math.inf:
            raise InputError(f"no agreement of {run.low}, {run.median}, {run.high} ns")


def _error(run: Interval) -> float:
    """Standard error of the logarithm; never nothing, as no clock is infinitely fine."""
    critical = NormalDist().inv_cdf(0.5 + run.confidence / 2)
    return max(math.log(run.high / run.low) / (2 * critical), 1 / run.median)


def _heterogeneity(logs: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """Between-run standard deviation and I squared."""
    weights = [error**-2 for error in errors]
    total = sum(weights)
    centre = sum(w * x for w, x in zip(weights, logs, strict=True)) / total
    q = sum(w * (x - centre) ** 2 for w, x in zip(weights, logs, strict=True))
    excess = max(0.0, q - (len(logs) - 1))
    scale = total - sum(w * w for w in weights) / total
    return math.sqrt(excess / scale), excess / q if q else 0.0


def _together(logs: Sequence[float], errors: Sequence[float], tau: float) -> tuple[float, float]:
    """Centre of the runs and half the width of its interval; at least that of the errors."""
    from scipy.stats import t

    weights = [1 / (error**2 + tau**2) for error in errors]
    total, freedom = sum(weights), len(logs) - 1
    centre = sum(w * x for w, x in zip(weights, logs, strict=True)) / total
    spread = sum(w * (x - centre) ** 2 for w, x in zip(weights, logs, strict=True)) / freedom
    critical = float(t.ppf(0.5 + _LEVEL / 2, freedom))
    return centre, critical * math.sqrt(max(spread, 1.0) / total)
