"""Where a series of runs changed its level, told apart from what runs do anyway.

A split counts by how much better two levels explain the runs than one does (`levels`: runs have
errors of their own, and some are disturbed). The probability of the largest of all splits is
bounded, runs that resemble their neighbours count for less, and a change is refused while a spell
of disturbed runs, as the series has had before, would explain it as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ipfs_accelerate.evidence.regressions.levels import Fit, fit_levels, noise_of_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FEWEST_RUNS", "Change", "Split", "find_changes", "largest_step"]

ChangeKind = Literal["step", "drift", "variance"]
#: Below this many runs nothing can be said.
FEWEST_RUNS = 6
_SHORTEST = 2
#: Outlying runs expected before any was seen, and how often one is followed by another.
_PRIOR_OUTLIERS = 0.05
_PRIOR_SPELL = 0.3
#: Runs that this prior is worth.
_SPELL_WEIGHT = 3.0


@dataclass(frozen=True, slots=True)
class Change:
    """One change of level (or of scatter) in a series of runs.

    Attributes:
        index: First run after it.
        kind: ``step``, ``drift`` (a steady slope fits better) or ``variance``.
        ratio: Level after over level before (of the scatter for ``variance``).
        low: Lower end of its 95 % interval.
        high: Upper end.
        p_value: Probability of as large a split anywhere in a series without change.
        before: Level before, in the unit of the series (ns).
        after: Level after.
    """

    index: int
    kind: ChangeKind
    ratio: float
    low: float
    high: float
    p_value: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Split:
    """Two levels and where they meet; ``shift`` and its ``error`` on a logarithmic scale."""

    index: int
    shift: float
    error: float
    p_value: float
    degrees: float
    before: float
    after: float


def find_changes(
    medians_ns: NDArray[np.float64], errors: NDArray[np.float64], *, alpha: float
) -> list[Change]:
    """All changes of one series, in order.

    Args:
        medians_ns: Median of each run in order, positive, finite.
        errors: Relative standard error of each, from its own interval; 0 where unknown.
        alpha: Probability of any finding in a series without change.

    Source:
        Binary segmentation: Scott & Knott (1974), Biometrics 30.
    """
    if len(medians_ns) < FEWEST_RUNS:
        return []
    logs = np.log(medians_ns)
    found = sorted(_segment(logs, errors, 0, alpha), key=lambda c: c.index)
    levels = _residuals(logs, [c.index for c in found])
    scatter = None if found else _scatter_change(levels, alpha)
    return [*found, scatter] if scatter else found


def largest_step(logs: NDArray[np.float64], errors: NDArray[np.float64]) -> Split | None:
    """The most surprising split of one stretch; ``None`` for too few or equal runs."""
    n = len(logs)
    if n < FEWEST_RUNS or np.ptp(logs) == 0:
        return None
    cuts = np.arange(_SHORTEST, n - _SHORTEST + 1)
    noise = noise_of_runs(logs, errors)
    without = fit_levels(logs, noise, np.array([n]))
    split = fit_levels(logs, noise, cuts)
    best = int(np.argmax(split.likelihood))
    return _judged(logs, int(cuts[best]), split.at(best), float(without.likelihood[0]))


def _judged(logs: NDArray[np.float64], k: int, fit: Fit, without: float) -> Split:
    """A likelihood ratio as the t statistic that has it among normal runs, and its probability."""
    from scipy.special import stdtr

    degrees = max(float(fit.inner.sum()) - 2, 1.0)
    gain = max(float(fit.likelihood[0]) - without, 0.0)
    before, after = fit.levels[0]
    inflation = _inflation(fit.residual[0] * fit.inner[0])
    t = np.sqrt(degrees * np.expm1(min(2 * gain / (degrees + 2), 500.0)) / inflation)
    shift = float(after - before)
    split = Split(k, shift, abs(shift) / max(float(t), 1e-9), 1.0, degrees, before, after)
    p = _largest_p_value(2 * float(stdtr(degrees, -t)), len(logs))
    return replace(split, p_value=max(p, _outlier_p_value(logs, split)))


def _segment(
    logs: NDArray[np.float64], errors: NDArray[np.float64], start: int, alpha: float
) -> list[Change]:
    best = largest_step(logs, errors)
    if best is None or best.p_value >= alpha:
        best = _passing_step(logs, errors, alpha)
    if best is None:
        return []
    k = best.index
    change = _change(best, start, "drift" if _is_drift(logs, k) else "step")
    if change.kind == "drift":
        return [change]
    return [
        change,
        *_segment(logs[:k], errors[:k], start, alpha),
        *_segment(logs[k:], errors[k:], start + k, alpha),
    ]


def _passing_step(
    logs: NDArray[np.float64], errors: NDArray[np.float64], alpha: float
) -> Split | None:
    """A step that a later one took back: seen in two thirds of the stretch, not in the whole.

    Source:
        Fryzlewicz (2014), Wild binary segmentation, Ann. Statist. 42, with two windows.
    """
    n = len(logs)
    if n < 3 * FEWEST_RUNS:
        return None
    third = n // 3
    for start, end in ((0, n - third), (third, n)):
        found = largest_step(logs[start:end], errors[start:end])
        if found is not None and found.p_value < alpha / 4:
            return replace(found, index=start + found.index)
    return None


def _change(split: Split, start: int, kind: ChangeKind) -> Change:
    from scipy.special import stdtrit

    reach = float(stdtrit(split.degrees, 0.975)) * split.error
    return Change(
        index=start + split.index,
        kind=kind,
        ratio=float(np.exp(split.shift)),
        low=float(np.exp(split.shift - reach)),
        high=float(np.exp(split.shift + reach)),
        p_value=split.p_value,
        before=float(np.exp(split.before)),
        after=float(np.exp(split.after)),
    )


def _inflation(residual: NDArray[np.float64]) -> float:
    """How much more a mean of these runs varies because neighbours resemble each other."""
    n, power = len(residual), float(np.square(residual).sum())
    if power == 0:
        return 1.0
    first = float((residual[1:] * residual[:-1]).sum()) / power
    sure = min(max(first - 1 / np.sqrt(n), 0.0), 0.9)
    return float((1 + sure) / (1 - sure))


def _largest_p_value(p: float, n: int) -> float:
    """Bound on the probability that any split of a series without change is as surprising.

    Source:
        Worsley (1982), An improved Bonferroni inequality and applications, Biometrika 69: the first
        split, and for each next one the probability to cross there first. Neighbouring splits have
        the correlation of a Brownian bridge; ``E[max(X, 0)]`` of their difference gives the latter.
    """
    from scipy.special import ndtri

    if p <= 0:
        return 0.0
    z = -float(ndtri(p / 2))
    k = np.arange(_SHORTEST, n - _SHORTEST)
    correlation = np.sqrt(k * (n - k - 1) / ((k + 1) * (n - k)))
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    crossing = np.minimum(2 * density * np.sqrt((1 - correlation) / np.pi), p)
    return float(min(1.0, p + crossing.sum()))


def _outlier_p_value(logs: NDArray[np.float64], split: Split) -> float:
    """Probability that the shorter side is one spell of runs such as the longer side has too.

    A spell begins with the share of such runs seen there and goes on with the share of them that
    were followed by another; both with a weak prior, since none may have been seen.
    """
    n, k = len(logs), split.index
    is_end = n - k <= k
    longer, few = (logs[:k], n - k) if is_end else (logs[k:], k)
    level = split.before if is_end else split.after
    away = (longer - level) * np.sign(split.shift) * (1 if is_end else -1)
    odd = away >= 0.75 * abs(split.shift)
    begins = (int(odd.sum()) + _PRIOR_OUTLIERS) / (len(longer) + 1)
    followed, again = int(odd[:-1].sum()), int((odd[:-1] & odd[1:]).sum())
    steps = np.arange(few - 1)
    prior = _SPELL_WEIGHT * max(_PRIOR_SPELL, begins)
    goes_on = np.prod((again + prior + steps) / (followed + _SPELL_WEIGHT + steps))
    return float(min(1.0, 2 * begins * goes_on))


def _is_drift(logs: NDArray[np.float64], k: int) -> bool:
    """Whether a straight line leaves clearly less than a step does (which has one more choice).

    Source:
        Schwarz (1978), Estimating the dimension of a model, Ann. Statist. 6; slope by Theil & Sen.
    """
    n = len(logs)
    step = _residuals(logs, [k])
    at = np.arange(n)
    i, j = np.triu_indices(n, 1)
    slope = float(np.median((logs[j] - logs[i]) / (j - i)))
    line = logs - slope * at
    left = float(np.abs(line - np.median(line)).sum())
    return bool(n * np.log(max(left, 1e-300) / max(float(np.abs(step).sum()), 1e-300)) < -np.log(n))


def _residuals(logs: NDArray[np.float64], cuts: list[int]) -> NDArray[np.float64]:
    parts = np.split(logs, cuts)
    return np.concatenate([part - np.median(part) for part in parts])


def _scatter_change(residual: NDArray[np.float64], alpha: float) -> Change | None:
    """A step in the size of the residuals; their square root is nearly normal."""
    size = np.sqrt(np.abs(residual))
    best = largest_step(size, np.zeros(len(size)))
    if best is None or best.p_value >= alpha or best.before <= 0 or best.after <= 0:
        return None
    before, after = best.before**2, best.after**2
    reach = 2 * 1.96 * best.error / min(best.before, best.after)
    ratio = after / before
    return Change(
        index=best.index,
        kind="variance",
        ratio=ratio,
        low=ratio * float(np.exp(-reach)),
        high=ratio * float(np.exp(reach)),
        p_value=best.p_value,
        before=before,
        after=after,
    )
